/** Transposed convolution and its gradients: convolution's kernels with x and y exchanged (convolution/choose.ts). */
export type { Window } from "./convolution/problem.js";

import { convolve, transpose, weightGradient } from "./convolution/choose.js";
import type { Window } from "./convolution/problem.js";
import type { Operands, Recorder } from "./kernel.js";

interface Attributes {
  readonly window: Window;
}

/** y = f(the adjoint of convolution with `weight` [Cin, Cout, kh, kw], applied to x, + bias). */
export function convTranspose2d(
  recorder: Recorder,
  inputs: Operands<"x" | "weight", "bias">,
  { y }: Operands<"y">,
  { window, slope }: Attributes & { readonly slope: number },
): void {
  transpose(recorder, { ...inputs, first: 0, y, window, slope });
}

/** dx = dy ⋆ weight. */
export function convTranspose2dInputGradient(
  recorder: Recorder,
  { dy, weight }: Operands<"dy" | "weight">,
  { dx }: Operands<"dx">,
  { window }: Attributes,
): void {
  convolve(recorder, { x: dy, weight, y: dx, window, slope: 1 });
}

/** dweight [Cin, Cout, kh, kw]. */
export function convTranspose2dWeightGradient(
  recorder: Recorder,
  { x, dy }: Operands<"x" | "dy">,
  { dweight }: Operands<"dweight">,
  { window }: Attributes,
): void {
  weightGradient(recorder, { x: dy, dy: x, dweight, window });
}
