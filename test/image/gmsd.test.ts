import { expect } from "chai";
import { readImage } from "../../src/files/images.js";
import { ImageError } from "../../src/image/errors.js";
import { gmsd } from "../../src/image/gmsd.js";
import { createImage, type Image, toBitDepth, toRgb } from "../../src/image/image.js";
import { fillNoise, goldenPath } from "../files/golden.js";

type Matrix = readonly (readonly number[])[];

/** MATLAB's conv2(a, k, "same"), by its definition. */
function conv2(a: Matrix, k: Matrix): Matrix {
  const [rows, columns] = [k.length, k[0]!.length];
  const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  return a.map((row, y) =>
    row.map((_, x) => {
      let sum = 0;
      for (let v = 0; v < rows; v++)
        for (let u = 0; u < columns; u++) sum += k[v]![u]! * (a[y + top - v]?.[x + left - u] ?? 0);
      return sum;
    }),
  );
}

/** The paper's formulas, written the way its authors' MATLAB code computes them. */
function expectedGmsd(...images: [Image, Image]): number {
  const prewitt = Array.from({ length: 3 }, () => [1 / 3, 0, -1 / 3]);
  const transposed = [0, 1, 2].map((i) => prewitt.map((row) => row[i]!));
  const [a, b] = images.map((image) => {
    const { data, width, height } = toRgb(image);
    const grey = Array.from({ length: height }, (_, y) =>
      Array.from({ length: width }, (_, x) => {
        const [red, green, blue] = data.subarray(3 * (y * width + x));
        return (65.481 * red! + 128.553 * green! + 24.966 * blue!) / 219;
      }),
    );
    const mean = conv2(grey, [
      [0.25, 0.25],
      [0.25, 0.25],
    ]);
    const half = mean.filter((_, y) => y % 2 === 0).map((row) => row.filter((_, x) => x % 2 === 0));
    const [dx, dy] = [conv2(half, prewitt), conv2(half, transposed)];
    return dx.flatMap((row, y) => row.map((v, x) => Math.sqrt(v ** 2 + dy[y]![x]! ** 2)));
  }) as [number[], number[]];
  const map = a.map((v, i) => (2 * v * b[i]! + 170) / (v ** 2 + b[i]! ** 2 + 170));
  const mean = map.reduce((sum, v) => sum + v, 0) / map.length;
  return Math.sqrt(map.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (map.length - 1));
}

describe("GMSD", () => {
  // Computed with numpy and scipy in float64 after the authors' MATLAB code. Luma passes through float32 here.
  for (const [name, distorted, expected] of [
    ["metric_a", "bicubic", 0.1009406475],
    ["metric_a", "jpeg", 0.013411208],
    ["metric_a", "noisy", 0.0080404238],
    ["metric_b", "bicubic", 0.1446257591],
    ["metric_b", "jpeg", 0.0214373447],
    ["metric_b", "noisy", 0.01165386],
  ] as const)
    it(`equals the authors' algorithm: ${distorted} against ${name}`, async () => {
      const [a, b] = [
        await readImage(goldenPath(`img/${name}.png`)),
        await readImage(goldenPath(`img/${name}_${distorted}.png`)),
      ];
      expect(gmsd(b, a)).to.be.closeTo(expected, 1e-7);
      expect(gmsd(a, b)).to.equal(gmsd(b, a));
    });

  it("equals the formulas for any sizes", () => {
    for (const [width, height] of [
      [3, 3],
      [4, 7],
      [11, 12],
      [16, 16],
    ] as const) {
      const [a, b] = [1, 2].map((seed) => fillNoise(createImage(width, height, 3, 8), seed)) as [Image, Image];
      expect(gmsd(a, b), `${width}×${height}`).to.be.closeTo(expectedGmsd(a, b), 1e-7);
      expect(gmsd(toBitDepth(a, 16), b)).to.be.closeTo(gmsd(a, b), 1e-7);
    }
  });

  it("is 0 for equal images and refuses what cannot be compared", () => {
    const image = fillNoise(createImage(20, 10, 3, 8), 1);
    expect(gmsd(image, image)).to.equal(0);
    expect(() => gmsd(image, createImage(10, 20, 3, 8))).to.throw(ImageError, "20×10");
    const small = createImage(9, 2, 3, 8);
    expect(() => gmsd(small, small)).to.throw(ImageError, "GMSD needs 3×3 pixels, the image has 9×2");
  });
});
