import { expect } from "chai";
import { cropImage, toTensor } from "../../src/image/image.js";
import { pictureOf, shapesOf, similarityOf, tensorsOf } from "../../src/upscale/network.js";
import { picture } from "./picture.js";

describe("the way into the network and back", () => {
  const lr = picture(8, 4);

  it("gives inputs their shapes and values", () => {
    const images = { lr, ref: picture(32, 64), refDown: picture(8, 16) };
    expect(shapesOf(images)).to.deep.equal({ lr: [1, 3, 4, 8], ref: [1, 3, 64, 32], refDown: [1, 3, 16, 8] });
    expect(tensorsOf(images).ref).to.deep.equal(toTensor(images.ref));
  });

  it("gives back the picture of an output, whole or a part of it, at either depth", () => {
    const large = picture(32, 16);
    const output = toTensor(large);
    expect(pictureOf(output, lr)).to.deep.equal(large);
    const part = { left: 3, top: 5, width: 20, height: 7 };
    expect(pictureOf(output, lr, { part })).to.deep.equal(cropImage(large, 3, 5, 20, 7));
    const deep = picture(32, 16, 3, 16);
    expect(pictureOf(toTensor(deep), lr, { bitDepth: 16 })).to.deep.equal(deep);
  });

  it("gives no picture of values that are infinite or NaN", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const output = toTensor(picture(32, 16));
      output[7] = value;
      expect(pictureOf(output, lr)).to.equal(undefined);
    }
  });

  it("averages similarities", () => {
    expect(similarityOf([0.5, 1, 0])).to.equal(0.5);
  });
});
