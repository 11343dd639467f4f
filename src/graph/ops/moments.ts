/**
 * The moments that the statistics of planes are made of, in two steps: those of 32×32 blocks, which windows of a map give as the
 * whole does, and their combination. `mean_std` and `instance_norm` do both at once; windowed execution takes them apart.
 */
import { ShapeError } from "../../gpu/errors.js";
import type { Shape } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/moments.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

export type Moments = Tensors<"mean" | "deviation">;

/**
 * Mean and deviation Σ (x − mean)² of every 32×32 block of the planes of x [N, C, H, W], both [N, C, ⌈H/32⌉, ⌈W/32⌉]; blocks at
 * the right and bottom edge may be smaller. No gradient. Throws `ShapeError`.
 */
export function blockMoments(x: Tensor): Moments {
  return record(blockOperation, { x });
}

/**
 * Mean and spread [N, C, 1, 1] of planes of `shape` [N, C, H, W] from the moments of their blocks (Chan, Golub, LeVeque 1983).
 * The spread is the biased variance, or the standard deviation with the divisor H·W − 1. No gradient.
 */
export function combineMoments(moments: Moments, shape: Shape, kind: kernels.Spread): Tensors<"mean" | "spread"> {
  return record(combineOperation, moments, { shape, kind });
}

const blockOperation: Operation<Tensors<"x">, Moments> = {
  name: "block_moments",
  f16: { inputs: ["x"], outputs: [] },
  outputs({ x: { name, shape } }) {
    if (shape.length !== 4) throw new ShapeError("block_moments", name, `has shape [${shape}], not [N, C, H, W]`);
    const blocks = kernels.blocksOf(shape);
    return { mean: { shape: blocks }, deviation: { shape: blocks } };
  },
  kernel: kernels.blockMoments,
  window: () => ({ maps: { x: { reach: 0, scale: [1, kernels.BLOCK] } } }),
};

const combineOperation: Operation<Moments, Tensors<"mean" | "spread">, { shape: Shape; kind: kernels.Spread }> = {
  name: "combine_moments",
  outputs: (_, { shape: [N = 1, C = 1] }) => ({ mean: { shape: [N, C, 1, 1] }, spread: { shape: [N, C, 1, 1] } }),
  kernel: kernels.combineMoments,
};
