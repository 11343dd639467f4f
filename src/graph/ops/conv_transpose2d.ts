/** Transposed convolution (PyTorch's conv_transpose2d with groups 1, dilation 1): the adjoint of convolution. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/conv_transpose2d.js";
import { nchw, type Shape } from "../../kernels/kernel.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";
import { reshape } from "../trace/view.js";
import { leakyReluGradient, reluGradient } from "./pointwise.js";
import { sum } from "./reduce.js";

/** The window of `convTranspose2d` as PyTorch has it, and what is done with its result in the same pass. */
export interface ConvTranspose2dOptions {
  /** Default 1: outputs a step of the input apart. */
  readonly stride?: number;
  /** Taken off each border of the output, default 0. */
  readonly padding?: number;
  /** Added to the bottom and right border of the output, default 0; less than the stride. */
  readonly outputPadding?: number;
  /** Applied last. */
  readonly activation?: "relu" | { readonly leakyRelu: number };
}

interface Attributes {
  readonly window: kernels.Window;
  readonly outputPadding: number;
  /** 1 without activation, 0 for ReLU. */
  readonly slope: number;
}

type Inputs = Tensors<"x" | "weight", "bias">;

const NAME = "conv_transpose2d";

/**
 * y = f(the adjoint of a convolution, applied to x, + bias): torch.nn.functional.conv_transpose2d.
 *
 * `x` [N,Cin,H,W], `weight` [Cin,Cout,kh,kw], `bias` [Cout]; the result is [N,Cout,H',W'] with
 * H' = (H − 1)·stride − 2·padding + kh + outputPadding and W' likewise. All operands have gradients. Throws `ShapeError`.
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  { stride = 1, padding = 0, outputPadding = 0, activation }: ConvTranspose2dOptions = {},
): Tensor {
  const slope = !activation ? 1 : activation === "relu" ? 0 : activation.leakyRelu;
  if (!(slope >= 0)) throw new ShapeError(NAME, "activation", `has slope ${slope}, which must not be negative`);
  const window = { stride, padding, dilation: 1 };
  return record(operation, { x, weight, bias }, { window, outputPadding, slope }).y;
}

const operation: Operation<Inputs, Tensors<"y">, Attributes> = {
  name: NAME,
  optional: ["bias"],
  f16: { inputs: ["x"], outputs: ["y"] },
  outputs: (inputs, attributes) => ({ y: { shape: outputShape(inputs, attributes) } }),
  kernel: kernels.convTranspose2d,
  window({ x, weight }, attributes) {
    const { stride, padding } = attributes.window;
    const [, , height, width] = outputShape({ x, weight }, attributes);
    // Only one that multiplies the size by its stride has its windows where the input's are.
    if (height !== stride * nchw(x)[2] || width !== stride * nchw(x)[3]) return undefined;
    const reach = Math.ceil(Math.max(padding, (weight.shape[2] as number) - 1 - padding) / stride);
    return { maps: { x: { reach, scale: [stride, 1] } } };
  },
  gradient({ inputs: { x, weight, bias }, outputs: { y }, attributes: { window, slope }, dys, needs }) {
    const dy = throughActivation(y, dys.y, slope);
    return {
      x: needs("x") ? record(inputGradientOperation, { dy, weight }, { shape: x.shape, window }).dx : undefined,
      weight: needs("weight")
        ? record(weightGradientOperation, { x, dy }, { shape: weight.shape, window }).dweight
        : undefined,
      bias: bias && needs("bias") ? reshape(sum(dy, [0, 2, 3]), bias.shape) : undefined,
    };
  },
};

/** The gradient before the activation; the output has the sign of its argument. */
function throughActivation(y: Tensor, dy: Tensor, slope: number): Tensor {
  if (slope === 1) return dy;
  return slope === 0 ? reluGradient(y, dy) : leakyReluGradient(y, dy, slope);
}

interface GradientAttributes {
  readonly shape: Shape;
  readonly window: kernels.Window;
}

const inputGradientOperation: Operation<Tensors<"dy" | "weight">, Tensors<"dx">, GradientAttributes> = {
  name: "conv_transpose2d_input_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: kernels.convTranspose2dInputGradient,
};

const weightGradientOperation: Operation<Tensors<"x" | "dy">, Tensors<"dweight">, GradientAttributes> = {
  name: "conv_transpose2d_weight_gradient",
  outputs: (_, { shape }) => ({ dweight: { shape } }),
  kernel: kernels.convTranspose2dWeightGradient,
};

function outputShape({ x, weight, bias }: Inputs, { window: { stride, padding }, outputPadding }: Attributes): Shape {
  for (const [name, value, least] of [
    ["stride", stride, 1],
    ["padding", padding, 0],
    ["outputPadding", outputPadding, 0],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least)
      throw new ShapeError(NAME, name, `is ${value}; it must be a whole number of at least ${least}`);
  }
  if (outputPadding >= stride)
    throw new ShapeError(NAME, "outputPadding", `is ${outputPadding}; it must be less than the stride ${stride}`);
  for (const [argument, tensor] of Object.entries({ x, weight })) {
    if (tensor.shape.length !== 4) throw new ShapeError(NAME, argument, `has shape [${tensor.shape}], not four sides`);
  }
  const [N, Cin, H, W] = nchw(x);
  const [channels, Cout, kh, kw] = nchw(weight);
  if (channels !== Cin)
    throw new ShapeError(NAME, "weight", `[${weight.shape}] takes ${channels} channels, the input has ${Cin}`);
  if (bias && bias.shape.join() !== `${Cout}`)
    throw new ShapeError(NAME, "bias", `has shape [${bias.shape}], the weight gives ${Cout} channels`);
  const side = (length: number, k: number) => (length - 1) * stride - 2 * padding + k + outputPadding;
  const shape = [N, Cout, side(H, kh), side(W, kw)];
  if (shape.some((length) => length < 1))
    throw new ShapeError(NAME, "padding", `${padding} leaves nothing of the output of x [${x.shape}]`);
  return shape;
}
