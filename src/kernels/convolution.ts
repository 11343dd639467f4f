/**
 * The three kernels that convolution, transposed convolution and all their gradients are made of.
 *
 * Names are those of the convolution x [N,C,H,W] ⋆ weight [O,C,KH,KW] → y [N,O,P,Q]. A transposed convolution is its
 * adjoint in x and runs the same kernels with the roles of x and y exchanged:
 *
 *                     conv2d               conv_transpose2d (weight [Cin,Cout,…] is read as [O,C,…])
 *   convolve          forward              input gradient
 *   transpose         input gradient       forward
 *   weightGradient    weight gradient      weight gradient, x and dy exchanged
 */
import { gatherConvolution, gatherTransposition } from "./convolution_gather.js";
import { weightGradient as sumWeightGradient } from "./convolution_weight_gradient.js";
import { elements, flatGrid, type Machine, type Operand, type Recorder } from "./kernel.js";

/** How the kernel's window moves, the same along both sides. */
export interface Window {
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

export interface Convolution {
  readonly x: Operand;
  /** A second input whose channels follow those of `x`. */
  readonly concat?: Operand | undefined;
  readonly weight: Operand;
  readonly bias?: Operand | undefined;
  /** Added before the activation; of `y`'s shape. */
  readonly residual?: Operand | undefined;
  readonly y: Operand;
  readonly window: Window;
  /** Of the activation v > 0 ? v : slope·v; 1 is none. */
  readonly slope: number;
}

type Sides = [number, number, number, number];

/**
 * How convolution and its adjoint are computed. `plain` is what a porter reads. `tiles` shares inputs and weights through
 * workgroup memory: for GPUs. `strips` hands weights on by subgroup broadcast: the fastest where the "GPU" is a CPU whose
 * subgroups have at least 8 threads.
 */
export type Variant = "plain" | "tiles" | "strips";

/** Multiply-adds below which preparing a fast variant costs more than it saves. */
const LEAST_WORK = 1 << 18;

function chosenVariant({ machine }: Recorder, products: number): Variant {
  return products < LEAST_WORK ? "plain" : fastVariant(machine);
}

/** The fast variant that suits a machine. */
export function fastVariant({ software, subgroupMinSize }: Omit<Machine, "limits">): "tiles" | "strips" {
  return software && subgroupMinSize >= 8 ? "strips" : "tiles";
}

/** Multiply-adds of a convolution between tensors of these shapes. */
function products(output: Operand, weight: Operand): number {
  return (elements(output.shape) * elements(weight.shape)) / (weight.shape[0] as number);
}

/** y = f(x ⋆ weight + bias + residual). */
export function convolve(recorder: Recorder, convolution: Convolution, variant?: Variant): void {
  const chosen = variant ?? chosenVariant(recorder, products(convolution.y, convolution.weight));
  if (chosen === "plain") convolvePlain(recorder, convolution);
  else gatherConvolution(recorder, convolution, chosen);
}

function convolvePlain(recorder: Recorder, convolution: Convolution): void {
  const { x, concat, weight, bias, residual, y, window, slope } = convolution;
  const [, split, H, W] = x.shape as Sides;
  const [O, C, KH, KW] = weight.shape as Sides;
  const [, , P, Q] = y.shape as Sides;
  const count = elements(y.shape);
  recorder.dispatch({
    shader: "conv2d",
    params: {
      ...{ count, C, split, H, W, O, P, Q, KH, KW, ...window, slope },
      has_bias: Number(bias !== undefined),
      has_residual: Number(residual !== undefined),
    },
    bindings: { x, concat: concat ?? x, weight, bias: bias ?? x, residual: residual ?? x, y },
    workgroups: flatGrid(count),
    flops: 2 * products(y, weight),
  });
}

export interface Transposition {
  readonly x: Operand;
  readonly weight: Operand;
  /** The first of the weight's channels that is used; `y` says how many are. */
  readonly first: number;
  readonly bias?: Operand | undefined;
  readonly y: Operand;
  readonly window: Window;
  readonly slope: number;
}

/** y = f(the adjoint of · ⋆ weight, applied to x, + bias). */
export function transpose(recorder: Recorder, transposition: Transposition, variant?: Variant): void {
  const chosen = variant ?? chosenVariant(recorder, products(transposition.x, transposition.weight));
  if (chosen === "plain") transposePlain(recorder, transposition);
  else gatherTransposition(recorder, transposition, chosen);
}

function transposePlain(recorder: Recorder, transposition: Transposition): void {
  const { x, weight, first, bias, y, window, slope } = transposition;
  const [, O, P, Q] = x.shape as Sides;
  const [, channels, KH, KW] = weight.shape as Sides;
  const [, C, H, W] = y.shape as Sides;
  const count = elements(y.shape);
  recorder.dispatch({
    shader: "conv_transpose2d",
    params: {
      ...{ count, C, H, W, channels, first, O, P, Q, KH, KW, ...window, slope },
      has_bias: Number(bias !== undefined),
    },
    bindings: { x, weight, bias: bias ?? x, y },
    workgroups: flatGrid(count),
    flops: 2 * elements(x.shape) * C * KH * KW,
  });
}

export interface WeightGradient {
  readonly x: Operand;
  readonly concat?: Operand | undefined;
  readonly dy: Operand;
  readonly dweight: Operand;
  readonly window: Window;
}

/** dweight = Σ over N, P, Q of dy · (the inputs it met). */
export function weightGradient(recorder: Recorder, gradient: WeightGradient, variant?: Variant): void {
  sumWeightGradient(recorder, gradient, variant ?? chosenVariant(recorder, products(gradient.dy, gradient.dweight)));
}
