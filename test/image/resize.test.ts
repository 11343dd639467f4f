import { expect } from "chai";
import { readImage } from "../../src/files/images.js";
import { ImageError } from "../../src/image/errors.js";
import { createImage, splitAlpha, toBitDepth } from "../../src/image/image.js";
import { resizeBicubic } from "../../src/image/resize.js";
import { fillNoise, goldenJson, goldenPath } from "../files/golden.js";

interface Case {
  name: string;
  resizes: { input: string; size_wh: [number, number]; output: string }[];
}

const { resizes } = goldenJson<Case[]>("metrics.json").find(({ name }) => name === "pillow_bicubic")!;

describe("resize", () => {
  for (const { input, size_wh, output } of resizes) {
    it(`equals Pillow in every bit: ${output}`, async () => {
      const image = await readImage(goldenPath(input));
      const expected = await readImage(goldenPath(output));
      expect(resizeBicubic(image, ...size_wh)).to.deep.equal(expected);
    });
  }

  it("is at 16 bits the same filter", () => {
    const image = fillNoise(createImage(37, 29, 3, 8), 3);
    for (const [i, v] of image.data.entries()) image.data[i] = 96 + (v >> 2);
    const small = resizeBicubic(image, 11, 50);
    const deep = resizeBicubic(toBitDepth(image, 16), 11, 50);
    // Samples of 96 to 159 stay clear of clipping. The 8-bit result is rounded by half a level after each pass; the
    // second pass enlarges the first error by at most the absolute sum of its weights, 1.25 for this cubic.
    const bound = 0.5 * 1.25 + 0.5 + 0.01;
    for (const [i, v] of deep.data.entries()) expect(Math.abs(v / 257 - small.data[i]!)).to.be.below(bound);
    // It is no widened 8-bit result.
    expect(deep.data.some((v) => v % 257 !== 0)).to.equal(true);
  });

  it("keeps a flat image flat, at both depths", () => {
    for (const depth of [8, 16] as const) {
      const flat = createImage(13, 9, 1, depth);
      flat.data.fill(depth === 8 ? 201 : 51801);
      const resized = resizeBicubic(flat, 31, 4);
      expect(new Set(resized.data)).to.deep.equal(new Set([flat.data[0]]));
    }
  });

  it("resizes each channel by itself", () => {
    const image = fillNoise(createImage(12, 10, 4, 8), 8);
    const { colour, alpha } = splitAlpha(image);
    const resized = splitAlpha(resizeBicubic(image, 7, 21));
    expect(resized.colour).to.deep.equal(resizeBicubic(colour, 7, 21));
    expect(resized.alpha).to.deep.equal(resizeBicubic(alpha!, 7, 21));
  });

  it("returns a copy where nothing changes", () => {
    const image = fillNoise(createImage(4, 3, 3, 16), 1);
    const copy = resizeBicubic(image, 4, 3);
    expect(copy).to.deep.equal(image);
    expect(copy.data).not.to.equal(image.data);
  });

  it("refuses an empty result", () => {
    expect(() => resizeBicubic(createImage(3, 3, 1, 8), 0, 3)).to.throw(ImageError, "3×3 cannot become 0×3");
  });
});
