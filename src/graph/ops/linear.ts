/** Fully connected layer: the end of the discriminator. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/linear.js";
import { type Operation, recordOne, type Tensor } from "../trace/tensor.js";
import { reshape } from "../trace/view.js";
import { sum } from "./reduce.js";

const operation: Operation<null> = {
  name: "linear",
  outputs([x, weight, bias]) {
    const [N = 0, inner, ...more] = x?.shape ?? [];
    const [outputs = 0, columns, ...others] = weight?.shape ?? [];
    if (!x || inner === undefined || more.length > 0)
      throw new ShapeError("linear", x?.name ?? "x", `has shape [${x?.shape}], not [N, inputs]`);
    if (columns !== inner || others.length > 0)
      throw new ShapeError("linear", weight?.name ?? "weight", `has shape [${weight?.shape}], not [outputs, ${inner}]`);
    if (bias && bias.shape.join() !== `${outputs}`)
      throw new ShapeError("linear", bias.name, `has shape [${bias.shape}], not [${outputs}]`);
    return [{ shape: [N, outputs] }];
  },
  kernel(recorder, [x, weight, bias], [y]) {
    if (x && weight && y) kernels.linear(recorder, { x, weight, bias, y });
  },
  gradient({ inputs: [x, weight, bias], dys: [dy], needs }) {
    if (!dy) return [];
    return [
      needs(0) ? recordOne(inputGradient, [dy, weight], null) : undefined,
      needs(1) ? recordOne(weightGradient, [dy, x], null) : undefined,
      bias && needs(2) ? reshape(sum(dy, [0]), bias.shape) : undefined,
    ];
  },
};

const inputGradient: Operation<null> = {
  name: "linear_input_gradient",
  outputs: ([dy, weight]) => [{ shape: [(dy as Tensor).shape[0] as number, (weight as Tensor).shape[1] as number] }],
  kernel(recorder, [dy, weight], [dx]) {
    if (dy && weight && dx) kernels.linearInputGradient(recorder, dy, weight, dx);
  },
};

const weightGradient: Operation<null> = {
  name: "linear_weight_gradient",
  outputs: ([dy, x]) => [{ shape: [(dy as Tensor).shape[1] as number, (x as Tensor).shape[1] as number] }],
  kernel(recorder, [dy, x], [dweight]) {
    if (dy && x && dweight) kernels.linearWeightGradient(recorder, dy, x, dweight);
  },
};

/**
 * y [N, outputs] = x [N, inputs] · weightᵀ + bias, with weight [outputs, inputs] and bias [outputs]: PyTorch's `F.linear`.
 * Throws `ShapeError`.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return recordOne(operation, [x, weight, bias], null);
}
