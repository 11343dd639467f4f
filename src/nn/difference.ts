/** Differences of neighbouring pixels: what a loss of the edges compares (train/objective.ts). */
import { ShapeError } from "../gpu/errors.js";
import { sub } from "../graph/ops/pointwise.js";
import { slice } from "../graph/ops/slice.js";
import type { Tensor } from "../graph/trace/tensor.js";

/**
 * y[i] = x[i + 1] − x[i] along side `dim`, which becomes one shorter: torch.diff(x, dim=dim). Linear. Throws `ShapeError`
 * unless `x` has that side and at least 2 elements along it.
 */
export function difference(x: Tensor, dim: number): Tensor {
  const side = x.shape[dim];
  if (side === undefined || side < 2)
    throw new ShapeError(
      "difference",
      x.name,
      `has shape [${x.shape}]; expected at least 2 elements along side ${dim}`,
    );
  return sub(slice(x, dim, 1, side), slice(x, dim, 0, side - 1));
}
