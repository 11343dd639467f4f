import { expect } from "chai";
import { createImage, cropImage, type Image } from "../../src/image/image.js";
import { framed, mostChanged, zoomed } from "../../src/image/zoom.js";
import { fillNoise } from "../files/golden.js";

function changed(image: Image, x: number, y: number, by: number): Image {
  const copy = { ...image, data: image.data.slice() };
  copy.data[(y * image.width + x) * image.channels] = by;
  return copy;
}

describe("zoom", () => {
  const black = createImage(40, 32, 3, 8);

  it("finds where two images differ most", () => {
    const one = changed(changed(black, 2, 3, 200), 30, 20, 150);
    const two = changed(one, 38, 26, 100);
    for (const [other, inside] of [
      [one, [2, 3]],
      // Two smaller changes that fit in one part outweigh a larger one.
      [two, [30, 20]],
      [two, [38, 26]],
    ] as const) {
      const { left, top, width, height } = mostChanged(black, other);
      expect([width, height]).to.deep.equal([10, 8]);
      expect(inside[0]).to.be.within(left, left + width - 1);
      expect(inside[1]).to.be.within(top, top + height - 1);
    }
    expect(mostChanged(black, black)).to.deep.equal({ left: 0, top: 0, width: 10, height: 8 });
  });

  it("takes a part of images of any size", () => {
    const small = createImage(3, 1, 1, 8);
    expect(mostChanged(small, changed(small, 2, 0, 9))).to.deep.equal({ left: 2, top: 0, width: 1, height: 1 });
  });

  it("makes a square of each pixel", () => {
    const image = fillNoise(createImage(12, 8, 2, 16), 1);
    const large = zoomed(image, { left: 4, top: 3, width: 3, height: 2 });
    expect([large.width, large.height, large.channels, large.bitDepth]).to.deep.equal([12, 8, 2, 16]);
    for (const [x, y] of [
      [0, 0],
      [3, 3],
      [4, 3],
      [11, 7],
    ] as const) {
      const from = cropImage(image, 4 + Math.floor(x / 4), 3 + Math.floor(y / 4), 1, 1);
      expect(cropImage(large, x, y, 1, 1)).to.deep.equal(from);
    }
  });

  it("frames a part by its outermost pixels", () => {
    const marked = framed(black, { left: 5, top: 6, width: 4, height: 3 });
    const white = (x: number, y: number) => marked.data[(y * 40 + x) * 3 + 1] === 255;
    const rows = Array.from({ length: 5 }, (_, y) =>
      Array.from({ length: 6 }, (_, x) => +white(4 + x, 5 + y)).join(""),
    );
    expect(rows).to.deep.equal(["000000", "011110", "010010", "011110", "000000"]);
    expect(black.data.every((value) => value === 0)).to.equal(true);
  });
});
