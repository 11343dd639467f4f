/** Convolution (cross-correlation, as PyTorch's conv2d with groups 1), with what surrounds it in a network fused in. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/conv2d.js";
import { nchw, type Shape } from "../../kernels/kernel.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";
import { reshape } from "../trace/view.js";
import { type MapRule, SAME_PLACE } from "../trace/window.js";
import { leakyReluGradient, reluGradient } from "./pointwise.js";
import { sum } from "./reduce.js";

/** The window of `conv2d` as PyTorch has it, and what is done with its result in the same pass. */
export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: number;
  /** Zeros around the input, default 0. */
  readonly padding?: number;
  /** Distance of the kernel's taps, default 1. */
  readonly dilation?: number;
  /** Applied last. Not together with `residual`: the output would not tell which pre-activations were negative. */
  readonly activation?: "relu" | { readonly leakyRelu: number };
  /** Added to the output; of its shape. */
  readonly residual?: Tensor;
  /** A second input whose channels follow those of `x`, without a copy of both being written. */
  readonly concat?: Tensor;
}

interface Attributes {
  readonly window: kernels.Window;
  /** 1 without activation, 0 for ReLU. */
  readonly slope: number;
}

type Inputs = Tensors<"x" | "weight", "bias" | "residual" | "concat">;

const NAME = "conv2d";

/**
 * y = f(weight ⋆ [x, concat] + bias + residual): torch.nn.functional.conv2d and what follows it.
 *
 * `x` [N,C,H,W], `concat` [N,C₂,H,W], `weight` [O,C+C₂,kh,kw], `bias` [O], `residual` and the result [N,O,P,Q] with
 * P = ⌊(H + 2·padding − dilation·(kh − 1) − 1) / stride⌋ + 1 and Q likewise. All operands have gradients; those that
 * are not needed are not computed. Throws `ShapeError`.
 */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor, options: Conv2dOptions = {}): Tensor {
  const { stride = 1, padding = 0, dilation = 1, activation, residual, concat } = options;
  if (activation && residual)
    throw new ShapeError(NAME, "activation", "is given together with residual; call relu() on the result instead");
  const slope = !activation ? 1 : activation === "relu" ? 0 : activation.leakyRelu;
  if (!(slope >= 0)) throw new ShapeError(NAME, "activation", `has slope ${slope}, which must not be negative`);
  const window = { stride, padding, dilation };
  return record(operation, { x, weight, bias, residual, concat }, { window, slope }).y;
}

const operation: Operation<Inputs, Tensors<"y">, Attributes> = {
  name: NAME,
  optional: ["bias", "residual", "concat"],
  f16: { inputs: ["x", "residual", "concat"], outputs: ["y"] },
  outputs: (inputs, { window }) => ({ y: { shape: outputShape(inputs, window) } }),
  kernel: kernels.conv2d,
  window: ({ weight }, { window: { stride, padding, dilation } }) => {
    const span = dilation * ((weight.shape[2] as number) - 1);
    // Only a convolution that keeps the size, or divides it by the stride, has its windows where the input's are.
    if (span !== 2 * padding || weight.shape[2] !== weight.shape[3]) return undefined;
    const rule: MapRule = { reach: padding, scale: [1, stride] };
    return { maps: { x: rule, concat: rule, residual: SAME_PLACE } };
  },
  gradient({ inputs, outputs: { y }, attributes: { window, slope }, dys, needs }) {
    const { x, weight, bias, concat } = inputs;
    const dy = throughActivation(y, dys.y, slope);
    const inputGradient = ({ shape }: Tensor, first: number) =>
      record(inputGradientOperation, { dy, weight }, { shape, first, window }).dx;
    return {
      x: needs("x") ? inputGradient(x, 0) : undefined,
      weight: needs("weight")
        ? record(weightGradientOperation, { x, dy, concat }, { shape: weight.shape, window }).dweight
        : undefined,
      bias: bias && needs("bias") ? reshape(sum(dy, [0, 2, 3]), bias.shape) : undefined,
      residual: dy,
      concat: concat && needs("concat") ? inputGradient(concat, nchw(x)[1]) : undefined,
    };
  },
};

/** The gradient before the activation; the output has the sign of its argument. */
function throughActivation(y: Tensor, dy: Tensor, slope: number): Tensor {
  if (slope === 1) return dy;
  return slope === 0 ? reluGradient(y, dy) : leakyReluGradient(y, dy, slope);
}

interface InputGradientAttributes {
  readonly shape: Shape;
  readonly first: number;
  readonly window: kernels.Window;
}

const inputGradientOperation: Operation<Tensors<"dy" | "weight">, Tensors<"dx">, InputGradientAttributes> = {
  name: "conv2d_input_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: kernels.conv2dInputGradient,
};

interface WeightGradientAttributes {
  readonly shape: Shape;
  readonly window: kernels.Window;
}

const weightGradientOperation: Operation<
  Tensors<"x" | "dy", "concat">,
  Tensors<"dweight">,
  WeightGradientAttributes
> = {
  name: "conv2d_weight_gradient",
  optional: ["concat"],
  outputs: (_, { shape }) => ({ dweight: { shape } }),
  kernel: kernels.conv2dWeightGradient,
};

function outputShape({ x, weight, bias, residual, concat }: Inputs, window: kernels.Window): Shape {
  checkWindow(window);
  for (const [argument, tensor] of Object.entries({ x, weight, ...(concat && { concat }) })) {
    if (tensor.shape.length !== 4) throw new ShapeError(NAME, argument, `has shape [${tensor.shape}], not four sides`);
  }
  const [N, C, H, W] = nchw(x);
  const [O, channels, kh, kw] = nchw(weight);
  if (concat && [N, concat.shape[1], H, W].join() !== concat.shape.join())
    throw new ShapeError(NAME, "concat", `has shape [${concat.shape}]; beside x [${x.shape}] only C may differ`);
  const given = C + (concat?.shape[1] ?? 0);
  if (given !== channels)
    throw new ShapeError(NAME, "weight", `[${weight.shape}] takes ${channels} channels, the input has ${given}`);
  if (bias && bias.shape.join() !== `${O}`)
    throw new ShapeError(NAME, "bias", `has shape [${bias.shape}], the weight gives ${O} channels`);
  const { stride, padding, dilation } = window;
  const side = (length: number, k: number) => Math.floor((length + 2 * padding - dilation * (k - 1) - 1) / stride) + 1;
  const shape = [N, O, side(H, kh), side(W, kw)];
  if (shape.some((length) => length < 1))
    throw new ShapeError(NAME, "x", `[${x.shape}] with padding ${padding} is smaller than the kernel ${kh}×${kw}`);
  if (residual && residual.shape.join() !== shape.join())
    throw new ShapeError(NAME, "residual", `has shape [${residual.shape}], the output has [${shape}]`);
  return shape;
}

function checkWindow({ stride, padding, dilation }: kernels.Window): void {
  for (const [name, value, least] of [
    ["stride", stride, 1],
    ["padding", padding, 0],
    ["dilation", dilation, 1],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least)
      throw new ShapeError(NAME, name, `is ${value}; it must be a whole number of at least ${least}`);
  }
}
