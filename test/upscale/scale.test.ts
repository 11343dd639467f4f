import { expect } from "chai";
import { createImage } from "../../src/image/image.js";
import { resizeBicubic } from "../../src/image/resize.js";
import { reduceTo, scaledSize } from "../../src/upscale/scale.js";
import { fillNoise } from "../files/golden.js";

describe("enlarging by less than four", () => {
  it("rounds sizes, to at least a pixel", () => {
    expect(scaledSize({ width: 7, height: 1 }, 1.5)).to.deep.equal({ width: 11, height: 2 });
    expect(scaledSize({ width: 1, height: 1 }, 1.1)).to.deep.equal({ width: 1, height: 1 });
  });

  it("reduces the result of four times the size, which 4 leaves as it is", () => {
    const lr = createImage(5, 3, 3, 8);
    const large = fillNoise(createImage(20, 12, 3, 8), 1);
    expect(reduceTo(large, lr, 4)).to.equal(large);
    expect(reduceTo(large, lr, 3)).to.deep.equal(resizeBicubic(large, 15, 9));
  });
});
