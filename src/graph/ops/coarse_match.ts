/** Coarse matching (MASA-SR, section 3.2): for each block of LR the most similar position of the downscaled reference. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/coarse_match.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

/** How `coarseMatch` divides LR and what it compares. */
export interface CoarseMatchOptions {
  /** Blocks of LR: [py, px]; they divide its sides. */
  readonly blocks: readonly [number, number];
  /** Distances of the taps of the patches whose similarities are added, for example 1, 2, 3. */
  readonly dilations: readonly number[];
  /** Rows [start, end) of `ref` whose positions are searched; default all. */
  readonly rows?: readonly [number, number] | undefined;
}

const NAME = "coarse_match";

/**
 * `lr` [N,C,H,W], `ref` [N,C,Hr,Wr] → `index` i32 [N, py·px], row by row in Ref↓, and `score` f32 [N, py·px].
 *
 * A block of k pixels a side stands for itself by the 3×3 patches around its pixel ⌊k / 2⌋. The score of a position is
 * the sum over the dilations of the cosine between the two patches (torch.nn.functional.normalize, so a norm below 1e-12
 * counts as 1e-12); beyond its edges LR repeats and the reference is 0. The lowest of equally good positions is taken.
 * There is no gradient: the choice has none, and MASA uses the score for nothing else. Throws `ShapeError`.
 */
export function coarseMatch(lr: Tensor, ref: Tensor, options: CoarseMatchOptions): { index: Tensor; score: Tensor } {
  return record(operation, { lr, ref }, options);
}

const operation: Operation<Tensors<"lr" | "ref">, Tensors<"index" | "score">, CoarseMatchOptions> = {
  name: NAME,
  outputs: ({ lr, ref }, options) => {
    const shape = outputShape(lr, ref, options);
    return { index: { shape, dtype: "i32" }, score: { shape } };
  },
  kernel: kernels.coarseMatch,
};

function outputShape(lr: Tensor, ref: Tensor, { blocks: [py, px], dilations }: CoarseMatchOptions): number[] {
  for (const [name, tensor] of Object.entries({ lr, ref })) {
    if (tensor.shape.length !== 4) throw new ShapeError(NAME, name, `has shape [${tensor.shape}], not [N, C, H, W]`);
  }
  const [N, C, H, W] = lr.shape as [number, number, number, number];
  if (ref.shape[0] !== N || ref.shape[1] !== C)
    throw new ShapeError(NAME, "ref", `has shape [${ref.shape}]; N and C must be those of lr [${lr.shape}]`);
  if (!Number.isInteger(H / py) || !Number.isInteger(W / px))
    throw new ShapeError(NAME, "blocks", `[${py}, ${px}] do not divide lr [${lr.shape}]`);
  if (dilations.length === 0 || !dilations.every((dilation) => Number.isInteger(dilation) && dilation > 0))
    throw new ShapeError(NAME, "dilations", `are [${dilations}]; whole numbers above 0 are wanted`);
  return [N, py * px];
}
