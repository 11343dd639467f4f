/** Mean and standard deviation of every plane: the style statistics of MASA's spatial adaptation (section 3.3). */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/mean_std.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";
import { blockMoments, combineMoments } from "./moments.js";
import { fill } from "./pointwise.js";

const operation: Operation<Tensors<"x">, Tensors<"mean" | "std">> = {
  name: "mean_std",
  f16: { inputs: ["x"], outputs: [] },
  outputs({ x: { name, shape } }) {
    const [N = 0, C = 0, H = 0, W = 0] = shape;
    if (shape.length !== 4) throw new ShapeError("mean_std", "x", `has shape [${shape}], not [N, C, H, W]`);
    if (H * W < 2)
      throw new ShapeError("mean_std", name, `has shape [${shape}]; an unbiased std needs two elements a plane`);
    return { mean: { shape: [N, C, 1, 1] }, std: { shape: [N, C, 1, 1] } };
  },
  kernel: kernels.meanStd,
  decompose({ x }) {
    const { mean, spread } = combineMoments(blockMoments(x), x.shape, "STD");
    return { mean, std: spread };
  },
  gradient({ inputs: { x }, outputs: { mean, std }, dys }) {
    const { mean: dmean = fill(mean.shape, 0), std: dstd = fill(std.shape, 0) } = dys;
    return { x: record(gradientOperation, { x, mean, std, dmean, dstd }).dx };
  },
};

const gradientOperation: Operation<Tensors<"x" | "mean" | "std" | "dmean" | "dstd">, Tensors<"dx">> = {
  name: "mean_std_gradient",
  outputs: ({ x: { shape } }) => ({ dx: { shape } }),
  kernel: kernels.meanStdGradient,
};

/**
 * Mean and unbiased standard deviation (the divisor is H·W − 1) over each plane of x [N, C, H, W], both [N, C, 1, 1]:
 * PyTorch's `x.mean((2, 3))` and `x.std((2, 3))`. Where the std is 0 its gradient is 0. Throws `ShapeError` for planes of one
 * element.
 */
export function meanStd(x: Tensor): { mean: Tensor; std: Tensor } {
  return record(operation, { x });
}
