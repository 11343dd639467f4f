/** Transposed convolution and its gradients: convolution's kernels with x and y exchanged (convolution/choose.ts). */
export type { Window } from "./convolution/problem.js";

import { convolve, transpose, weightGradient } from "./convolution/choose.js";
import type { Window } from "./convolution/problem.js";
import type { Operand, Recorder } from "./kernel.js";

/** y = f(the adjoint of convolution with `weight` [Cin,Cout,kh,kw], applied to x, + bias). */
export function convTranspose2d(
  recorder: Recorder,
  x: Operand,
  weight: Operand,
  bias: Operand | undefined,
  y: Operand,
  window: Window,
  slope: number,
): void {
  transpose(recorder, { x, weight, first: 0, bias, y, window, slope });
}

/** dx = dy ⋆ weight. */
export function convTranspose2dInputGradient(
  recorder: Recorder,
  dy: Operand,
  weight: Operand,
  dx: Operand,
  window: Window,
): void {
  convolve(recorder, { x: dy, weight, y: dx, window, slope: 1 });
}

/** dweight [Cin,Cout,kh,kw]. */
export function convTranspose2dWeightGradient(
  recorder: Recorder,
  x: Operand,
  dy: Operand,
  dweight: Operand,
  window: Window,
): void {
  weightGradient(recorder, { x: dy, dy: x, dweight, window });
}
