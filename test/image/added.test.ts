import { expect } from "chai";
import { colourShare, worseBlocks } from "../../src/image/added.js";
import { ImageError } from "../../src/image/errors.js";
import { createImage, type Image } from "../../src/image/image.js";
import { fillNoise } from "../files/golden.js";

/** An image of one colour, or of a colour for each pixel. */
function painted(width: number, height: number, colour: (x: number, y: number) => readonly number[]): Image {
  const image = createImage(width, height, 3, 8);
  for (let i = 0; i < width * height; i++) image.data.set(colour(i % width, Math.floor(i / width)), 3 * i);
  return image;
}

describe("what is added to bicubic", () => {
  it("is all grey where the three colours change alike", () => {
    const bicubic = painted(5, 4, () => [100, 100, 100]);
    expect(
      colourShare(
        painted(5, 4, (x, y) => Array(3).fill(100 + 3 * x - 5 * y)),
        bicubic,
      ),
    ).to.be.below(1e-12);
    expect(colourShare(bicubic, bicubic)).to.equal(0);
  });

  it("has the share of Cb and Cr in its energy", () => {
    // A change of d in one colour alone changes Y, Cb and Cr by d times its column of the matrix.
    const bicubic = painted(5, 4, () => [100, 100, 100]);
    for (const [c, column] of [
      [65.481, -37.797, 112],
      [128.553, -74.203, -93.786],
      [24.966, 112, -18.214],
    ].entries()) {
      const image = painted(5, 4, (x) => [100, 100, 100].map((v, i) => (i === c ? v + 2 * x : v)));
      const [y, cb, cr] = column.map((weight) => weight ** 2) as [number, number, number];
      expect(colourShare(image, bicubic)).to.be.closeTo((cb + cr) / (y + cb + cr), 1e-6);
    }
  });

  it("weighs a large change more than a small one", () => {
    // One pixel turns bluer by 30, nine brighter by 10: (112² + 18.214²)·30² of energy in colour.
    const bicubic = painted(5, 2, () => [100, 100, 100]);
    const image = painted(5, 2, (x, y) => (x + y === 0 ? [100, 100, 130] : [110, 110, 110]));
    const colour = 900 * (112 ** 2 + 18.214 ** 2);
    const luma = 900 * 24.966 ** 2 + 9 * 100 * 219 ** 2;
    expect(colourShare(image, bicubic)).to.be.closeTo(colour / (colour + luma), 1e-6);
  });
});

describe("blocks worse than bicubic", () => {
  /** Grey values that differ from 100 by `errors[row][column]` in each block: squared errors of (219/255·e)². */
  const blocks = (errors: readonly (readonly number[])[], width: number, height: number) =>
    painted(width, height, (x, y) => Array(3).fill(100 + errors[Math.floor(y / 16)]![Math.floor(x / 16)]!));
  const original = blocks([[0, 0, 0]], 40, 16);

  it("are counted where the error is both 10 % and 3 above", () => {
    // 10 → 11: 73.8 → 89.2, above both. 30 → 31: 663.8 → 708.8, only 7 %. 0 → 2: 0 → 2.95, not 3.
    const [bicubic, image] = [blocks([[10, 30, 0]], 40, 16), blocks([[11, 31, 2]], 40, 16)];
    expect(worseBlocks(image, bicubic, original)).to.equal(1 / 3);
    expect(worseBlocks(bicubic, image, original)).to.equal(0);
    expect(worseBlocks(bicubic, bicubic, original)).to.equal(0);
    expect(worseBlocks(blocks([[0, 0, -3]], 40, 16), bicubic, original)).to.equal(1 / 3);
  });

  it("include the smaller ones at the right and lower border", () => {
    const flat = [
      [0, 0],
      [0, 0],
    ];
    const truth = blocks(flat, 18, 20);
    for (const [row, column] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const errors = flat.map((line) => [...line]);
      errors[row]![column] = 3;
      expect(worseBlocks(blocks(errors, 18, 20), truth, truth), `${row} ${column}`).to.equal(1 / 4);
    }
  });

  it("agree with a count pixel by pixel on noise", () => {
    const [image, bicubic, truth] = [1, 2, 3].map((seed) => fillNoise(createImage(70, 50, 3, 8), seed)) as Image[];
    const luma = ({ data }: Image, i: number) =>
      (65.481 * data[3 * i]! + 128.553 * data[3 * i + 1]! + 24.966 * data[3 * i + 2]!) / 255;
    let [worse, all] = [0, 0];
    for (let top = 0; top < 50; top += 16)
      for (let left = 0; left < 70; left += 16) {
        const [own, other, pixels] = [[], [], []] as [number[], number[], number[]];
        for (let y = top; y < Math.min(top + 16, 50); y++)
          for (let x = left; x < Math.min(left + 16, 70); x++) pixels.push(70 * y + x);
        for (const i of pixels) {
          own.push((luma(image!, i) - luma(truth!, i)) ** 2 / pixels.length);
          other.push((luma(bicubic!, i) - luma(truth!, i)) ** 2 / pixels.length);
        }
        const [a, b] = [own, other].map((errors) => errors.reduce((sum, error) => sum + error, 0)) as [number, number];
        if (a > 1.1 * b && a > b + 3) worse++;
        all++;
      }
    expect(worse).to.be.within(1, all - 1);
    expect(worseBlocks(image!, bicubic!, truth!)).to.equal(worse / all);
  });

  it("need images of one size", () => {
    const small = createImage(20, 10, 3, 8);
    for (const images of [
      [small, original, original],
      [original, small, original],
      [original, original, small],
    ] as [Image, Image, Image][])
      expect(() => worseBlocks(...images)).to.throw(ImageError, "20×10");
    expect(() => colourShare(small, original)).to.throw(ImageError, "20×10");
  });
});
