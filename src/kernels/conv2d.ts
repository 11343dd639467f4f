/** Convolution and its gradients, in terms of the kernels of convolution/choose.ts. */
export type { Window } from "./convolution/problem.js";

import { convolve, transpose, weightGradient } from "./convolution/choose.js";
import type { Convolution, WeightGradient, Window } from "./convolution/problem.js";
import type { Operand, Recorder } from "./kernel.js";

/** y = f([x, concat] ⋆ weight + bias + residual). */
export function conv2d(recorder: Recorder, convolution: Convolution): void {
  convolve(recorder, convolution);
}

/** dx of the input whose channels start at `first` in the weight. */
export function conv2dInputGradient(
  recorder: Recorder,
  dy: Operand,
  weight: Operand,
  dx: Operand,
  first: number,
  window: Window,
): void {
  transpose(recorder, { x: dy, weight, first, y: dx, window, slope: 1 });
}

/** dweight for the input [x, concat]. */
export function conv2dWeightGradient(recorder: Recorder, gradient: WeightGradient): void {
  weightGradient(recorder, gradient);
}
