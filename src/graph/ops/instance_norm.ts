/** Instance normalisation (Ulyanov, Vedaldi, Lempitsky 2016) without affine parameters, as MASA's adaptation uses it. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/instance_norm.js";
import type { Operand } from "../../kernels/kernel.js";
import { type Operation, recordOne, type Tensor } from "../trace/tensor.js";

interface Attributes {
  readonly eps: number;
}

const operation: Operation<Attributes> = {
  name: "instance_norm",
  halves: { inputs: [0], outputs: [0] },
  outputs([x]) {
    const [N = 0, C = 0, ...plane] = x?.shape ?? [];
    if (!x || plane.length !== 2)
      throw new ShapeError("instance_norm", "x", `has shape [${x?.shape}], not [N, C, H, W]`);
    return [{ shape: x.shape }, { shape: [N, C, 1, 1] }, { shape: [N, C, 1, 1] }];
  },
  kernel(recorder, [x], [y, mean, variance], { eps }) {
    if (x && y && mean && variance) kernels.instanceNorm(recorder, x, { y, mean, variance }, eps);
  },
  gradient({ inputs: [x], outputs: [, mean, variance], dys: [dy], attributes }) {
    return [dy && recordOne(gradientOperation, [x, mean, variance, dy], attributes)];
  },
};

const gradientOperation: Operation<Attributes> = {
  name: "instance_norm_gradient",
  outputs: ([x]) => [{ shape: (x as Tensor).shape }],
  kernel(recorder, inputs, [dx], { eps }) {
    const [x, mean, variance, dy] = inputs as [Operand, Operand, Operand, Operand];
    if (dx) kernels.instanceNormGradient(recorder, { x, mean, variance, dy }, dx, eps);
  },
};

/**
 * y = (x − mean) / √(variance + eps), with the mean and the biased variance over each plane H × W of x [N, C, H, W]:
 * PyTorch's `nn.InstanceNorm2d(C, affine=False)`. A constant plane gives 0 and the gradient (dy − mean(dy)) / √eps.
 */
export function instanceNorm(x: Tensor, eps = 1e-5): Tensor {
  return recordOne(operation, [x], { eps });
}
