/** Bicubic resizing as PyTorch does it: a = −0.75, no antialiasing, indices held inside; in float64 loops. */
import type { NdArray } from "./array.js";
import { resample, resampleGradient, type Taps } from "./resample.js";

const A = -0.75;

/** The cubic convolution kernel (Keys 1981) at distance `d` from a sample. */
function cubic(d: number): number {
  if (d <= 1) return (A + 2) * d ** 3 - (A + 3) * d ** 2 + 1;
  return d < 2 ? A * (d ** 3 - 5 * d ** 2 + 8 * d - 4) : 0;
}

/** Four samples around the position (o + ½)·side/outSide − ½. */
export const bicubicTaps: Taps = (o, side, outSide) => {
  const position = ((o + 0.5) * side) / outSide - 0.5;
  const i = Math.floor(position);
  return [i - 1, i, i + 1, i + 2].map((k) => [Math.min(Math.max(k, 0), side - 1), cubic(Math.abs(position - k))]);
};

/** x [N,C,H,W] → y [N,C,OH,OW]. */
export function bicubicResize(x: NdArray, size: readonly [number, number]): NdArray {
  return resample(x, size, bicubicTaps);
}

/** Gradient of Σ y·dy: dx of the given shape. */
export function bicubicResizeGradient(dy: NdArray, shape: readonly number[]): NdArray {
  return resampleGradient(dy, shape, bicubicTaps);
}
