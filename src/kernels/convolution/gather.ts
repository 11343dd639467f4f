/**
 * The fast convolutions. A convolution and each phase of its adjoint have one form,
 *
 *   y[p·outStep + outRow] = Σᵢ w[i] · x[p·inStep + inRow + i·tapStep]       along either side,
 *
 * so one set of kernels computes them all. The adjoint with stride s writes s × s interleaved phases of its output:
 * u = p·s + phase meets only the taps with i·dilation ≡ phase + padding (mod s), and no zero is ever multiplied.
 */

import type { Operand, Recorder } from "../kernel.js";
import type { Convolution, Transposition, Window } from "./convolution.js";

type Sides = [number, number, number, number];

/** One side (rows or columns) of a phase. */
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

/** Where the weight of output channel o, input channel c and tap 0 is: start + o·o_stride + c·c_stride. */
export interface WeightStrides {
  readonly start: number;
  readonly o_stride: number;
  readonly c_stride: number;
}

/** Outputs that meet the same taps. */
export interface Phase {
  readonly rows: Side;
  readonly columns: Side;
}

export interface Gather {
  /** Inputs, whose channels follow each other. */
  readonly sources: readonly Operand[];
  readonly weight: Operand;
  readonly strides: WeightStrides;
  readonly bias?: Operand | undefined;
  readonly residual?: Operand | undefined;
  readonly y: Operand;
  readonly slope: number;
  readonly phases: readonly Phase[];
}

/** `convolve` of convolution.ts as a gather. */
export function forwardGather(convolution: Convolution): Gather {
  const { x, concat, weight, y, window } = convolution;
  const [, C, KH, KW] = weight.shape as Sides;
  const [, , P, Q] = y.shape as Sides;
  const phases = [{ rows: forwardSide(P, KH, window), columns: forwardSide(Q, KW, window) }];
  const strides = { start: 0, o_stride: C * KH * KW, c_stride: KH * KW };
  return { ...convolution, sources: concat ? [x, concat] : [x], strides, phases };
}

/** `transpose` of convolution.ts as a gather. */
export function adjointGather(transposition: Transposition): Gather {
  const { x, weight, first, y, window } = transposition;
  const [, channels, KH, KW] = weight.shape as Sides;
  const [, , H, W] = y.shape as Sides;
  const strides = { start: first * KH * KW, o_stride: KH * KW, c_stride: channels * KH * KW };
  const columns = adjointSides(W, KW, window);
  const phases = adjointSides(H, KH, window).flatMap((rows) => columns.map((side) => ({ rows, columns: side })));
  return { ...transposition, sources: [x], strides, phases };
}

function forwardSide(count: number, taps: number, { stride, padding, dilation }: Window): Side {
  const [tap, tapStride] = [0, 1];
  return { count, outStep: 1, out: 0, inStep: stride, first: -padding, tapStep: dilation, taps, tap, tapStride };
}

/** The phases of the adjoint along a side of `length` outputs. */
function adjointSides(length: number, kernel: number, { stride, padding, dilation }: Window): Side[] {
  const divisor = greatestCommonDivisor(stride, dilation);
  // Taps that meet one phase are this far apart; from one to the next the input moves by tapStep.
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

/** What both kernels are told of a phase and the output. */
export function phaseParams({ bias, residual, y }: Gather, { rows, columns }: Phase) {
  const [, O, P, Q] = y.shape as Sides;
  return {
    ...{ GH: rows.count, GW: columns.count, KH: rows.taps, KW: columns.taps },
    ...{ in_step: rows.inStep, tap_step: rows.tapStep },
    ...{ O, P, Q, out_step: rows.outStep, out_row: rows.out, out_column: columns.out },
    ...{ has_bias: Number(bias !== undefined), has_residual: Number(residual !== undefined) },
  };
}

/** A part of a gather's sum. */
export interface PartialSum extends Gather {
  /** To what y holds of the parts before. */
  readonly adds: boolean;
}

/**
 * A gather whose sources are summed in `count` dispatches or more, one after the other. The sums so far are kept in y; where y
 * is stored in 16 bits, in tensors of 32 that the next part takes as its residual.
 */
export function partialSums(recorder: Recorder, task: Gather, count: number): PartialSum[] {
  const inPlace = task.y.dtype === "f32";
  let { residual } = task;
  return Array.from({ length: count }, (_, i) => {
    const ends = i === count - 1;
    const part = ends ? task : { ...task, slope: 1, bias: undefined };
    if (inPlace) return { ...part, residual: ends ? residual : undefined, adds: i > 0 };
    const y = ends ? task.y : recorder.scratch(`sums of ${i + 1} of ${count} parts`, task.y.shape);
    const sum = { ...part, y, residual, adds: false };
    residual = y;
    return sum;
  });
}

const GROUP_ROW = 32768;

/** `groups` workgroups, folded into rows where they are many. */
export function fold(groups: number): [number, number] {
  return groups <= GROUP_ROW ? [groups, 1] : [GROUP_ROW, Math.ceil(groups / GROUP_ROW)];
}
