import { expect } from "chai";
import { ImageError } from "../../src/image/errors.js";
import { createImage } from "../../src/image/image.js";
import { preparePair } from "../../src/upscale/prepare.js";
import { picture } from "./picture.js";

describe("preparePair", () => {
  it("pads LR to whole blocks around its centre and one reference at its end", () => {
    const { lr, ref, refDown, window } = preparePair({ lr: picture(13, 9), refs: [picture(50, 33)] });
    expect([lr.width, lr.height]).to.deep.equal([16, 16]);
    expect(window).to.deep.equal({ left: 1, top: 3, width: 13, height: 9 });
    expect([ref.width, ref.height, refDown.width, refDown.height]).to.deep.equal([64, 48, 16, 12]);
  });

  it("pads to blocks of other sizes, in multiples of 4", () => {
    expect(preparePair({ lr: picture(13, 9), refs: [picture(50, 33)] }, 6).lr.width).to.equal(24);
  });

  it("does not see colours hidden under transparent pixels, in LR and in references", () => {
    const hidden = (value: number) => {
      const image = createImage(40, 36, 4, 8);
      for (let i = 0; i < 40 * 36; i++) {
        const shown = i % 40 > 17;
        image.data.set(shown ? [i % 256, 7, 200, 1 + (i % 255)] : [value, value, value, 0], 4 * i);
      }
      return image;
    };
    expect(preparePair({ lr: hidden(0), refs: [hidden(0)] })).to.deep.equal(
      preparePair({ lr: hidden(255), refs: [hidden(90)] }),
    );
  });

  it("stacks several references of different sizes and depths", () => {
    const { ref } = preparePair({ lr: picture(8, 8), refs: [picture(50, 33), picture(20, 70, 1, 16)] });
    expect([ref.width, ref.height, ref.bitDepth, ref.channels]).to.deep.equal([64, 160, 16, 3]);
  });

  it("wants a reference", () => {
    expect(() => preparePair({ lr: picture(8, 8), refs: [] })).to.throw(ImageError, "no reference");
  });
});
