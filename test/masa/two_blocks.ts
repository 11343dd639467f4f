/** A match small enough to be followed by hand. */
import { createImage, type Image } from "../../src/image/image.js";
import type { Explanation } from "../../src/upscale/explain.js";

const grey = (width: number, height: number): Image => {
  const image = createImage(width, height, 3, 8);
  image.data.fill(100);
  return image;
};

/**
 * LR of 8×4 pixels in two blocks, of which a column of padding is cut off; a reference of 8×8. The left block was found in
 * the middle of its window at (2, 2), the right one at (5, 5); one pixel of it was found a step further right.
 */
export function twoBlocks(): Explanation {
  const window = [7, 7] as const;
  const along = Array.from({ length: 16 }, (_, i) => (Math.floor(i / 4) + 0) * 5 + (i % 4));
  const fineIndex = Int32Array.from([...along, ...along]);
  fineIndex[16 + 5]! += 1;
  const fineScore = new Float32Array(32).fill(0.5);
  fineScore[3] = 1;
  const statistics = { mean: [0, 1], std: [1, 2] };
  return {
    pair: { lr: grey(8, 4), ref: grey(32, 32), refDown: grey(8, 8), window: { left: 1, top: 0, width: 7, height: 4 } },
    geometry: { lr: [4, 8], refDown: [8, 8], blocks: [1, 2], block: [4, 4], window, dilations: [1] },
    matches: {
      coarseIndex: Int32Array.of(2 * 8 + 2, 5 * 8 + 5),
      coarseScore: Float32Array.of(0.9, 0.8),
      originX: Int32Array.of(-1, 2),
      originY: Int32Array.of(-1, 2),
      fineIndex,
      fineScore,
    },
    result: grey(32, 16),
    warped: grey(32, 16),
    statistics: [{ scale: 1, lr: statistics, before: { mean: [2, 2], std: [1, 1] }, after: statistics }],
    layers: new Map(),
  };
}
