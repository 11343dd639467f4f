/** Convolution and its gradients, in terms of the kernels of convolution/choose.ts. */
export type { Window } from "./convolution/problem.js";

import { convolve, transpose, weightGradient } from "./convolution/choose.js";
import type { Window } from "./convolution/problem.js";
import type { Operands, Recorder } from "./kernel.js";

interface Attributes {
  readonly window: Window;
  /** 1 without activation, 0 for ReLU. */
  readonly slope: number;
}

/** y = f([x, concat] ⋆ weight + bias + residual). */
export function conv2d(
  recorder: Recorder,
  inputs: Operands<"x" | "weight", "bias" | "residual" | "concat">,
  { y }: Operands<"y">,
  attributes: Attributes,
): void {
  convolve(recorder, { ...inputs, y, ...attributes });
}

/** dx of the input whose channels start at `first` in the weight. */
export function conv2dInputGradient(
  recorder: Recorder,
  { dy, weight }: Operands<"dy" | "weight">,
  { dx }: Operands<"dx">,
  { first, window }: { readonly first: number; readonly window: Window },
): void {
  transpose(recorder, { x: dy, weight, first, y: dx, window, slope: 1 });
}

/** dweight for the input [x, concat]. */
export function conv2dWeightGradient(
  recorder: Recorder,
  inputs: Operands<"x" | "dy", "concat">,
  { dweight }: Operands<"dweight">,
  { window }: { readonly window: Window },
): void {
  weightGradient(recorder, { ...inputs, dweight, window });
}
