/** Mean and unbiased standard deviation of planes, and their gradient, in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** x [N,C,H,W] → mean and std [N,C,1,1] over each plane; the std's divisor is H·W − 1. */
export function meanStd(x: NdArray): { mean: NdArray; std: NdArray } {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const mean = ndarray([N, C, 1, 1]);
  const std = ndarray([N, C, 1, 1]);
  for (let p = 0; p < N * C; p++) {
    const plane = x.data.subarray(p * H * W, (p + 1) * H * W);
    let sum = 0;
    for (const value of plane) sum += value;
    const centre = sum / (H * W);
    let squares = 0;
    for (const value of plane) squares += (value - centre) ** 2;
    mean.data[p] = centre;
    std.data[p] = Math.sqrt(squares / (H * W - 1));
  }
  return { mean, std };
}

/** The gradient of Σ mean·dmean + Σ std·dstd; a std of 0 contributes none. */
export function meanStdGradient(x: NdArray, dmean: NdArray, dstd: NdArray): NdArray {
  const [, , H, W] = x.shape as [number, number, number, number];
  const { mean, std } = meanStd(x);
  const dx = ndarray(x.shape);
  for (const [i, value] of x.data.entries()) {
    const p = Math.floor(i / (H * W));
    const deviation = std.data[p] as number;
    const slope = deviation > 0 ? (value - (mean.data[p] as number)) / ((H * W - 1) * deviation) : 0;
    dx.data[i] = (dmean.data[p] as number) / (H * W) + (dstd.data[p] as number) * slope;
  }
  return dx;
}
