/** Instance normalisation of planes and its gradient in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** Biased variance, two passes: the mean first. */
function moments(plane: Float64Array): { mean: number; variance: number } {
  let mean = 0;
  for (const value of plane) mean += value / plane.length;
  let variance = 0;
  for (const value of plane) variance += (value - mean) ** 2 / plane.length;
  return { mean, variance };
}

/** x [N,C,H,W] → y = (x − mean) / √(variance + eps), mean and variance over each plane. */
export function instanceNorm(x: NdArray, eps: number): NdArray {
  const [, , H, W] = x.shape as [number, number, number, number];
  const y = ndarray(x.shape);
  for (let start = 0; start < x.data.length; start += H * W) {
    const plane = x.data.subarray(start, start + H * W);
    const { mean, variance } = moments(plane);
    for (const [i, value] of plane.entries()) y.data[start + i] = (value - mean) / Math.sqrt(variance + eps);
  }
  return y;
}

/**
 * The gradient of Σ y·dy. With s = 1/√(variance + eps) and y = s·(x − mean), x moves y directly (s·dy), through the mean
 * (−s·mean(dy)) and through the variance (−s·y·mean(dy·y)).
 */
export function instanceNormGradient(x: NdArray, dy: NdArray, eps: number): NdArray {
  const [, , H, W] = x.shape as [number, number, number, number];
  const y = instanceNorm(x, eps);
  const dx = ndarray(x.shape);
  for (let start = 0; start < x.data.length; start += H * W) {
    const { variance } = moments(x.data.subarray(start, start + H * W));
    let meanDy = 0;
    let meanProduct = 0;
    for (let i = start; i < start + H * W; i++) {
      meanDy += (dy.data[i] as number) / (H * W);
      meanProduct += ((dy.data[i] as number) * (y.data[i] as number)) / (H * W);
    }
    for (let i = start; i < start + H * W; i++)
      dx.data[i] = ((dy.data[i] as number) - meanDy - (y.data[i] as number) * meanProduct) / Math.sqrt(variance + eps);
  }
  return dx;
}
