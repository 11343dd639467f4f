/** Coarse matching (paper, section 3.2): for each block of LR the most similar position of Ref↓. */
import { type NdArray, ndarray } from "./array.js";
import { best, dot, patch } from "./patches.js";

export interface CoarseMatchAttributes {
  /** Blocks of LR: [py, px]. */
  readonly blocks: readonly [number, number];
  readonly dilations: readonly number[];
}

/**
 * lr [N,C,H,W], ref [N,C,Hr,Wr] → index, score, margin [N, py·px].
 *
 * A block is cut out with one pixel of its surroundings, outside LR a copy of the nearest, and stands for itself by the
 * patch around its pixel ⌊(k + 2) / 2⌋. The score of a position is the sum of the cosines for all dilations; outside
 * Ref↓ are zeros. The margin is the lead of the best score over the second.
 */
export function coarseMatch(lr: NdArray, ref: NdArray, { blocks: [py, px], dilations }: CoarseMatchAttributes) {
  const [N, , H, W] = lr.shape as [number, number, number, number];
  const [, , Hr, Wr] = ref.shape as [number, number, number, number];
  const [index, score, margin] = [ndarray([N, py * px]), ndarray([N, py * px]), ndarray([N, py * px])];
  for (let n = 0; n < N; n++) {
    const refPatches = dilations.map((dilation) =>
      Array.from({ length: Hr * Wr }, (_, i) => patch(ref, n, Math.floor(i / Wr), i % Wr, "zero", dilation)),
    );
    for (let block = 0; block < py * px; block++) {
      // In the rimmed block the centre is ⌊(k + 2) / 2⌋; its rim is pixel −1 of the block.
      const y = centre(Math.floor(block / px), H / py);
      const x = centre(block % px, W / px);
      const scores = Array<number>(Hr * Wr).fill(0);
      for (const [d, dilation] of dilations.entries()) {
        const query = patch(lr, n, y, x, "replicate", dilation);
        for (const [i, candidate] of (refPatches[d] ?? []).entries())
          (scores[i] as number) += dot(query.unit, candidate.unit);
      }
      const found = best(scores);
      const output = n * py * px + block;
      index.data[output] = found.index;
      score.data[output] = found.score;
      margin.data[output] = found.margin;
    }
  }
  return { index, score, margin };
}

function centre(block: number, side: number): number {
  return block * side - 1 + Math.floor((side + 2) / 2);
}
