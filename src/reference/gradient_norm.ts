/** The sum of squares of a gradient and whether it is finite, in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** Rows (Σ g², 1 if an element of g is NaN or infinite, else 0), one for each gradient. */
export function gradientNorm(gradients: readonly NdArray[]): NdArray {
  const summary = ndarray([gradients.length, 2]);
  for (const [row, { data }] of gradients.entries())
    for (const value of data) {
      (summary.data[2 * row] as number) += value * value;
      if (!Number.isFinite(value)) summary.data[2 * row + 1] = 1;
    }
  return summary;
}
