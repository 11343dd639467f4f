import { expect } from "chai";
import { ArgumentError } from "../../src/errors.js";
import { ShapeError } from "../../src/gpu/errors.js";
import { matchGeometry } from "../../src/masa/geometry.js";

describe("match geometry", () => {
  // LR, Ref↓ → blocks, block, window with its rim: as recorded from the official code.
  const OFFICIAL = [
    [32, 32, 32, 32, [4, 4], [8, 8], [15, 15]],
    [40, 40, 40, 40, [5, 5], [8, 8], [15, 15]],
    [48, 64, 40, 32, [6, 8], [8, 8], [11, 9]],
    [32, 32, 128, 32, [4, 4], [8, 8], [51, 15]],
    [16, 16, 8, 8, [2, 2], [8, 8], [9, 9]],
    [36, 36, 36, 36, [4, 4], [9, 9], [15, 15]],
    [20, 8, 21, 7, [2, 1], [10, 8], [17, 11]],
  ] as const;

  for (const [H, W, Hr, Wr, blocks, block, window] of OFFICIAL) {
    it(`cuts LR ${H}×${W} with Ref↓ ${Hr}×${Wr}`, () => {
      const geometry = matchGeometry({ lr: [H, W], refDown: [Hr, Wr] });
      expect(geometry).to.deep.include({ blocks, block, window, dilations: [1, 2, 3] });
    });
  }

  it("accepts the sides of LR that the official code accepts, and no others", () => {
    const accepted = [...Array(66).keys()].filter((side) => {
      try {
        matchGeometry({ lr: [side, 32], refDown: [64, 64] });
        return true;
      } catch (error) {
        expect(error).to.be.instanceOf(ShapeError);
        return false;
      }
    });
    expect(accepted).to.deep.equal([8, 12, 16, 20, 24, 32, 36, 40, 48, 56, 64]);
  });

  it("names the size that would do", () => {
    expect(() => matchGeometry({ lr: [32, 44], refDown: [64, 64] })).to.throw(ShapeError, /width 44.*Pad it to 48/);
    expect(() => matchGeometry({ lr: [7, 32], refDown: [64, 64] })).to.throw(ShapeError, /height 7.*Pad it to 8/);
  });

  it("rejects a reference so small that a window would wrap twice, and one less small not", () => {
    expect(matchGeometry({ lr: [8, 8], refDown: [6, 6] }).window).to.deep.equal([11, 11]);
    expect(() => matchGeometry({ lr: [8, 8], refDown: [6, 4] })).to.throw(ShapeError, "Use a larger reference");
  });

  it("takes other blocks, and rejects those that the dilations leave", () => {
    const sizes = { lr: [24, 32], refDown: [24, 32] } as const;
    expect(matchGeometry({ ...sizes, blockSize: 4, dilations: [1] }).blocks).to.deep.equal([6, 8]);
    expect(() => matchGeometry({ ...sizes, blockSize: 4 })).to.throw(ArgumentError, "dilation 3");
    expect(matchGeometry({ ...sizes, refBlockScale: 2 }).window).to.deep.equal([19, 19]);
  });
});
