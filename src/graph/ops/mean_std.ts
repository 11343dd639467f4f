/** Mean and standard deviation of every plane: the style statistics of MASA's spatial adaptation (section 3.3). */
import { ShapeError } from "../../gpu/errors.js";
import type { Operand } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/mean_std.js";
import { type Operation, record, recordOne, type Tensor } from "../trace/tensor.js";
import { fill } from "./pointwise.js";

const operation: Operation<null> = {
  name: "mean_std",
  halves: { inputs: [0], outputs: [] },
  outputs([x]) {
    const [N = 0, C = 0, H = 0, W = 0] = x?.shape ?? [];
    if (x?.shape.length !== 4) throw new ShapeError("mean_std", "x", `has shape [${x?.shape}], not [N, C, H, W]`);
    if (H * W < 2)
      throw new ShapeError("mean_std", x.name, `has shape [${x.shape}]; an unbiased std needs two elements a plane`);
    return [{ shape: [N, C, 1, 1] }, { shape: [N, C, 1, 1] }];
  },
  kernel(recorder, [x], [mean, std]) {
    if (x && mean && std) kernels.meanStd(recorder, x, mean, std);
  },
  gradient({ inputs: [x], outputs: [mean, std], dys: [dmean, dstd] }) {
    const zeros = () => fill((mean as Tensor).shape, 0);
    return [recordOne(gradientOperation, [x, mean, std, dmean ?? zeros(), dstd ?? zeros()], null)];
  },
};

const gradientOperation: Operation<null> = {
  name: "mean_std_gradient",
  outputs: ([x]) => [{ shape: (x as Tensor).shape }],
  kernel(recorder, inputs, [dx]) {
    const [x, mean, std, dmean, dstd] = inputs as [Operand, Operand, Operand, Operand, Operand];
    if (dx) kernels.meanStdGradient(recorder, { x, mean, std, dmean, dstd }, dx);
  },
};

/**
 * Mean and unbiased standard deviation (the divisor is H·W − 1) over each plane of x [N, C, H, W], both [N, C, 1, 1]:
 * PyTorch's `x.mean((2, 3))` and `x.std((2, 3))`. Where the std is 0 its gradient is 0. Throws `ShapeError` for planes of one
 * element.
 */
export function meanStd(x: Tensor): { mean: Tensor; std: Tensor } {
  const [mean, std] = record(operation, [x], null);
  return { mean: mean as Tensor, std: std as Tensor };
}
