/**
 * Dense matching, what SRNTT (Zhang et al. 2019) and TTSR (Yang et al. 2020) do and what the paper's table 2 compares
 * with: every patch of LR with every patch of the downscaled reference. It is one fine match whose block is all of LR and
 * whose window is all of Ref↓, so the fused operations do it, and no similarity is ever written. They take LR in tiles.
 */
import { ShapeError } from "../gpu/errors.js";
import { fineMatch } from "../graph/ops/fine_match.js";
import { permute } from "../graph/ops/permute.js";
import { constant, type Tensor } from "../graph/tensor.js";
import { reshape } from "../graph/view.js";
import type { MatchGeometry } from "./geometry.js";
import type { Found } from "./matching_reference.js";

/** One block, one window: the whole images. Throws `ShapeError` for sides that MASA cannot take. */
export function denseGeometry(lr: readonly [number, number], refDown: readonly [number, number]): MatchGeometry {
  for (const side of lr) {
    if (side % 4 !== 0)
      throw new ShapeError("match", "lr", `has a side of ${side}; pad it to ${4 * Math.ceil(side / 4)}`);
  }
  return { lr, refDown, blocks: [1, 1], block: lr, window: refDown, dilations: [] };
}

/** Sides of the tiles: few enough that a tile's products with a row of the reference fit into workgroup memory. */
const MOST = 8;

/**
 * lr [N, C, H, W] in refDown [N, C, Hr, Wr] → index [N, H, W], the position among the (Hr − 2)·(Wr − 2) whole patches, row by
 * row, and its cosine, score [N, H, W]. LR's edge repeats outside. The gradients are those of the fine match. Positions
 * from outside are scored.
 */
export function denseMatch(lr: Tensor, refDown: Tensor, given?: Tensor): Found {
  const [N, , H, W] = lr.shape as [number, number, number, number];
  const [ky, kx] = [largestDivisor(H), largestDivisor(W)];
  const [py, px] = [H / ky, W / kx];
  const tile = (x: Tensor) => reshape(permute(reshape(x, [N, py, ky, px, kx]), [0, 1, 3, 2, 4]), [N * py * px, ky, kx]);
  const untile = (x: Tensor) => reshape(permute(reshape(x, [N, py, px, ky, kx]), [0, 1, 3, 2, 4]), [N, H, W]);
  const corner = constant("corner", [N, py * px], new Int32Array(N * py * px));
  const inputs = { lr, ref: refDown, originX: corner, originY: corner, index: given && tile(given) };
  const window = refDown.shape.slice(2) as [number, number];
  const { index, score } = fineMatch(inputs, { blocks: [py, px], window });
  return { index: given ?? untile(index), score: untile(score) };
}

function largestDivisor(side: number): number {
  let divisor = Math.min(MOST, side);
  while (side % divisor !== 0) divisor--;
  return divisor;
}
