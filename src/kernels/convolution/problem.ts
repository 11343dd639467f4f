/**
 * What a convolution kernel computes, as the algorithms of this folder see it.
 *
 * Names are those of the convolution x [N,C,H,W] ⋆ weight [O,C,KH,KW] → y [N,O,P,Q]. A transposed convolution is its
 * adjoint in x and runs the same kernels with x and y exchanged (choose.ts). A convolution and each phase of its adjoint
 * have one form along either dimension,
 *
 *   y[p·outStep + out] = Σᵢ w[i] · x[p·inStep + first + i·tapStep],
 *
 * so one set of kernels computes both. The adjoint with stride s writes s × s interleaved phases of its output:
 * u = p·s + phase meets only the taps with i·dilation ≡ phase + padding (mod s), and no zero is ever multiplied.
 */

import { elements, type Machine, type Operand, type Recorder } from "../kernel.js";

type Sides = [number, number, number, number];

/** How the kernel's window moves, the same along both dimensions. */
export interface Window {
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

/** y = f(x ⋆ weight + bias + residual). */
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

/** y = f(the adjoint of · ⋆ weight, applied to x, + bias). */
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

/** dweight = Σ over N, P, Q of dy · (the inputs under its window). */
export interface WeightGradient {
  readonly x: Operand;
  readonly concat?: Operand | undefined;
  readonly dy: Operand;
  readonly dweight: Operand;
  readonly window: Window;
}

/** A way to compute a problem. All ways give the same result except for rounding. */
export interface Algorithm<Problem> {
  /** Recorded in checkpoints and in the tuning cache. */
  readonly id: string;
  valid(machine: Machine, problem: Problem): boolean;
  record(recorder: Recorder, problem: Problem): void;
}

/** One dimension (rows or columns) of a phase. */
export interface Side {
  /** Outputs p = 0 … count − 1, written at p·outStep + out. */
  readonly count: number;
  readonly outStep: number;
  readonly out: number;
  /** Inputs are read from p·inStep + first on, tapStep apart. */
  readonly inStep: number;
  readonly first: number;
  readonly tapStep: number;
  /** Number of taps; the i-th is the weight's tap `tap` + i·`tapStride`. */
  readonly taps: number;
  readonly tap: number;
  readonly tapStride: number;
}

/** Outputs under which the same taps lie. */
export interface Phase {
  readonly rows: Side;
  readonly columns: Side;
}

/** The weight of output channel o, input channel c and tap 0 is at start + o·o_stride + c·c_stride. */
export interface WeightStrides {
  readonly start: number;
  readonly o_stride: number;
  readonly c_stride: number;
}

/** A convolution or the adjoint of one. */
export interface Problem {
  readonly direction: "forward" | "adjoint";
  /** Inputs, whose channels follow each other. */
  readonly sources: readonly Operand[];
  readonly weight: Operand;
  /** Adjoint: the first of the weight's channels that is used. */
  readonly first: number;
  readonly bias?: Operand | undefined;
  readonly residual?: Operand | undefined;
  readonly y: Operand;
  readonly window: Window;
  readonly slope: number;
  /** How the weights are found, with y's channels as output channels. */
  readonly strides: WeightStrides;
  readonly phases: readonly Phase[];
}

export function forwardProblem({ x, concat, ...convolution }: Convolution): Problem {
  const { weight, y, window } = convolution;
  const [, C, KH, KW] = weight.shape as Sides;
  const [, , P, Q] = y.shape as Sides;
  return {
    ...convolution,
    direction: "forward",
    sources: sourcesOf(x, concat),
    first: 0,
    strides: { start: 0, o_stride: C * KH * KW, c_stride: KH * KW },
    phases: [{ rows: forwardSide(P, KH, window), columns: forwardSide(Q, KW, window) }],
  };
}

export function adjointProblem({ x, ...transposition }: Transposition): Problem {
  const { weight, first, y, window } = transposition;
  const [, channels, KH, KW] = weight.shape as Sides;
  const [, , H, W] = y.shape as Sides;
  const columns = adjointSides(W, KW, window);
  return {
    ...transposition,
    direction: "adjoint",
    sources: [x],
    strides: { start: first * KH * KW, o_stride: KH * KW, c_stride: channels * KH * KW },
    phases: adjointSides(H, KH, window).flatMap((rows) => columns.map((side) => ({ rows, columns: side }))),
  };
}

/** One input or two, whose channels follow each other. */
export function sourcesOf(x: Operand, concat: Operand | undefined): readonly Operand[] {
  return concat ? [x, concat] : [x];
}

export function channelsOf(sources: readonly Operand[]): number {
  return sources.reduce((sum, { shape }) => sum + (shape[1] as number), 0);
}

/** Multiply-adds of the direct sums. */
export function productsOf({ sources, weight, y, direction }: Problem): number {
  const [, , KH, KW] = weight.shape as Sides;
  if (direction === "forward") return elements(y.shape) * channelsOf(sources) * KH * KW;
  return elements((sources[0] as Operand).shape) * (y.shape[1] as number) * KH * KW;
}

/** The adjoint of a 3×3 convolution with stride 2 and padding 1: the one that MASA upsamples with. */
export function isDoubling({ weight, phases: [first, , , last], residual }: Problem): boolean {
  const of = ({ rows, columns }: Phase, taps: number) =>
    [rows, columns].every((side) => side.taps === taps && side.tapStep === 1 && side.first === 0);
  if (residual || !first || !last || weight.shape[2] !== 3 || weight.shape[3] !== 3) return false;
  return of(first, 1) && of(last, 2);
}

function forwardSide(count: number, taps: number, { stride, padding, dilation }: Window): Side {
  const [tap, tapStride] = [0, 1];
  return { count, outStep: 1, out: 0, inStep: stride, first: -padding, tapStep: dilation, taps, tap, tapStride };
}

/** The phases of the adjoint along a dimension of `length` outputs. */
function adjointSides(length: number, kernel: number, { stride, padding, dilation }: Window): Side[] {
  const divisor = greatestCommonDivisor(stride, dilation);
  // Taps of one phase are `period` apart; from one to the next the input moves by `tapStep`.
  const period = stride / divisor;
  const tapStep = dilation / divisor;
  return Array.from({ length: Math.min(stride, length) }, (_, out) => {
    const meets = (tap: number) => (out + padding - tap * dilation) % stride === 0;
    const lowest = Array.from({ length: kernel }, (_, tap) => tap).find(meets) ?? kernel;
    const taps = Math.ceil((kernel - lowest) / period);
    // Walked from the last tap down, so that the input is walked upwards.
    const tap = lowest + (taps - 1) * period;
    const count = Math.ceil((length - out) / stride);
    const first = (out + padding - tap * dilation) / stride;
    const side = { count, outStep: stride, out, inStep: 1, tapStep, taps, tapStride: -period };
    return taps ? { ...side, first, tap } : { ...side, first: 0, tap: 0 };
  });
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Parameters of a phase and the output that all shaders share. */
export function phaseParams({ bias, residual, y }: Problem, { rows, columns }: Phase) {
  const [, O, P, Q] = y.shape as Sides;
  return {
    ...{ GH: rows.count, GW: columns.count, KH: rows.taps, KW: columns.taps },
    ...{ in_step: rows.inStep, tap_step: rows.tapStep },
    ...{ O, P, Q, out_step: rows.outStep, out_row: rows.out, out_column: columns.out },
    ...{ has_bias: Number(bias !== undefined), has_residual: Number(residual !== undefined) },
  };
}

/** A part of a problem's sum. */
export interface PartialSum extends Problem {
  /** To what y holds of the parts before. */
  readonly adds: boolean;
}

/**
 * A problem whose inputs are summed in `count` dispatches or more, one after the other. The sums so far are kept in y; if y
 * is stored as f16, in f32 tensors that the next part takes as its residual.
 */
export function partialSums(recorder: Recorder, problem: Problem, count: number): PartialSum[] {
  const inPlace = problem.y.dtype === "f32";
  let { residual } = problem;
  return Array.from({ length: count }, (_, i) => {
    const ends = i === count - 1;
    const part = ends ? problem : { ...problem, slope: 1, bias: undefined };
    if (inPlace) return { ...part, residual: ends ? residual : undefined, adds: i > 0 };
    const y = ends ? problem.y : recorder.scratch(`sums of ${i + 1} of ${count} parts`, problem.y.shape);
    const sum = { ...part, y, residual, adds: false };
    residual = y;
    return sum;
  });
}
