/** Bilinear resizing, align_corners false, in float64 loops. */
import type { NdArray } from "./array.js";
import { resample, resampleGradient, type Taps } from "./resample.js";

/** Both neighbours of the position (o + ½)·side/outSide − ½, which is not let below 0. */
export const bilinearTaps: Taps = (o, side, outSide) => {
  const position = Math.max(0, ((o + 0.5) * side) / outSide - 0.5);
  const i = Math.floor(position);
  return [
    [i, 1 - (position - i)],
    [Math.min(i + 1, side - 1), position - i],
  ];
};

/** x [N,C,H,W] → y [N,C,OH,OW]. */
export function bilinearResize(x: NdArray, size: readonly [number, number]): NdArray {
  return resample(x, size, bilinearTaps);
}

/** Gradient of Σ y·dy: dx of the given shape. */
export function bilinearResizeGradient(dy: NdArray, shape: readonly number[]): NdArray {
  return resampleGradient(dy, shape, bilinearTaps);
}
