/** The largest element of every row in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** x [..., n] → values and indices [..., 1]; the lowest index wins a tie. */
export function top1(x: NdArray): { values: NdArray; indices: NdArray } {
  const n = x.shape.at(-1) as number;
  const values = ndarray([...x.shape.slice(0, -1), 1]);
  const indices = ndarray(values.shape);
  for (let row = 0; row < values.data.length; row++) {
    let best = 0;
    for (let i = 1; i < n; i++) if ((x.data[row * n + i] as number) > (x.data[row * n + best] as number)) best = i;
    values.data[row] = x.data[row * n + best] as number;
    indices.data[row] = best;
  }
  return { values, indices };
}

/** Gradient of Σ values·dy: dx of x's shape. */
export function top1Gradient(x: NdArray, dy: NdArray): NdArray {
  const n = x.shape.at(-1) as number;
  const { indices } = top1(x);
  const dx = ndarray(x.shape);
  for (const [row, value] of dy.data.entries()) dx.data[row * n + (indices.data[row] as number)] = value;
  return dx;
}
