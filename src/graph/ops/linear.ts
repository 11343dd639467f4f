/** Fully connected layer: the end of the discriminator. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/linear.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";
import { reshape } from "../trace/view.js";
import { sum } from "./reduce.js";

const operation: Operation<Tensors<"x" | "weight", "bias">, Tensors<"y">> = {
  name: "linear",
  optional: ["bias"],
  outputs({ x, weight, bias }) {
    const [N = 0, inner, ...more] = x.shape;
    const [outputs = 0, columns, ...others] = weight.shape;
    if (inner === undefined || more.length > 0)
      throw new ShapeError("linear", x.name, `has shape [${x.shape}], not [N, inputs]`);
    if (columns !== inner || others.length > 0)
      throw new ShapeError("linear", weight.name, `has shape [${weight.shape}], not [outputs, ${inner}]`);
    if (bias && bias.shape.join() !== `${outputs}`)
      throw new ShapeError("linear", bias.name, `has shape [${bias.shape}], not [${outputs}]`);
    return { y: { shape: [N, outputs] } };
  },
  kernel: kernels.linear,
  gradient({ inputs: { x, weight, bias }, dys: { y: dy }, needs }) {
    return {
      x: needs("x") ? record(inputGradient, { dy, weight }).dx : undefined,
      weight: needs("weight") ? record(weightGradient, { dy, x }).dweight : undefined,
      bias: bias && needs("bias") ? reshape(sum(dy, [0]), bias.shape) : undefined,
    };
  },
};

const inputGradient: Operation<Tensors<"dy" | "weight">, Tensors<"dx">> = {
  name: "linear_input_gradient",
  outputs: ({ dy, weight }) => ({ dx: { shape: [rowsOf(dy), columnsOf(weight)] } }),
  kernel: kernels.linearInputGradient,
};

const weightGradient: Operation<Tensors<"dy" | "x">, Tensors<"dweight">> = {
  name: "linear_weight_gradient",
  outputs: ({ dy, x }) => ({ dweight: { shape: [columnsOf(dy), columnsOf(x)] } }),
  kernel: kernels.linearWeightGradient,
};

function rowsOf({ shape }: Tensor): number {
  return shape[0] as number;
}

function columnsOf({ shape }: Tensor): number {
  return shape[1] as number;
}

/**
 * y [N, outputs] = x [N, inputs] · weightᵀ + bias, with weight [outputs, inputs] and bias [outputs]: PyTorch's `F.linear`.
 * Throws `ShapeError`.
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return record(operation, { x, weight, bias }).y;
}
