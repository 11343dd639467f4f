/** Convolution (cross-correlation, as PyTorch's conv2d with groups 1), with what surrounds it in a network fused in. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/conv2d.js";
import type { Shape } from "../../kernels/kernel.js";
import { type Operation, recordOne, type Tensor } from "../trace/tensor.js";
import { reshape } from "../trace/view.js";
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

const NAME = "conv2d";
type Sides = [number, number, number, number];

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
  return recordOne(operation, [x, weight, bias, residual, concat], { window, slope });
}

const operation: Operation<Attributes> = {
  name: NAME,
  halves: { inputs: [0, 3, 4], outputs: [0] },
  outputs: ([x, weight, bias, residual, concat], { window }) => [
    { shape: outputShape(x as Tensor, weight as Tensor, bias, residual, concat, window) },
  ],
  kernel: (recorder, [x, weight, bias, residual, concat], [y], attributes) => {
    if (x && weight && y) kernels.conv2d(recorder, { x, concat, weight, bias, residual, y, ...attributes });
  },
  gradient({ inputs, outputs: [y], attributes: { window, slope }, dys: [upstream], needs }) {
    const [x, weight, bias, , concat] = inputs;
    if (!x || !weight || !y || !upstream) return [];
    const dy = throughActivation(y, upstream, slope);
    const C = x.shape[1] as number;
    return [
      needs(0) ? inputGradient(dy, weight, { shape: x.shape, first: 0, window }) : undefined,
      needs(1) ? weightGradient(x, concat, dy, { shape: weight.shape, window }) : undefined,
      bias && needs(2) ? reshape(sum(dy, [0, 2, 3]), bias.shape) : undefined,
      dy,
      concat && needs(4) ? inputGradient(dy, weight, { shape: concat.shape, first: C, window }) : undefined,
    ];
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

const inputGradientOperation: Operation<InputGradientAttributes> = {
  name: "conv2d_input_gradient",
  outputs: (_, { shape }) => [{ shape }],
  kernel: (recorder, [dy, weight], [dx], { first, window }) => {
    if (dy && weight && dx) kernels.conv2dInputGradient(recorder, dy, weight, dx, first, window);
  },
};

function inputGradient(dy: Tensor, weight: Tensor, attributes: InputGradientAttributes): Tensor {
  return recordOne(inputGradientOperation, [dy, weight], attributes);
}

interface WeightGradientAttributes {
  readonly shape: Shape;
  readonly window: kernels.Window;
}

const weightGradientOperation: Operation<WeightGradientAttributes> = {
  name: "conv2d_weight_gradient",
  outputs: (_, { shape }) => [{ shape }],
  kernel: (recorder, [x, dy, concat], [dweight], { window }) => {
    if (x && dy && dweight) kernels.conv2dWeightGradient(recorder, { x, concat, dy, dweight, window });
  },
};

function weightGradient(
  x: Tensor,
  concat: Tensor | undefined,
  dy: Tensor,
  attributes: WeightGradientAttributes,
): Tensor {
  return recordOne(weightGradientOperation, [x, dy, concat], attributes);
}

function outputShape(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  residual: Tensor | undefined,
  concat: Tensor | undefined,
  window: kernels.Window,
): Shape {
  checkWindow(window);
  for (const [argument, tensor] of Object.entries({ x, weight, ...(concat && { concat }) })) {
    if (tensor.shape.length !== 4) throw new ShapeError(NAME, argument, `has shape [${tensor.shape}], not four sides`);
  }
  const [N, C, H, W] = x.shape as Sides;
  const [O, channels, kh, kw] = weight.shape as Sides;
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
