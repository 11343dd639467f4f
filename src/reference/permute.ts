/** Sides of an array in another order. The gradient is the inverse permutation of dy. */
import { type NdArray, ndarray } from "./array.js";

/** Side d of the result is side `order[d]` of x. */
export function permute(x: NdArray, order: readonly number[]): NdArray {
  const y = ndarray(order.map((d) => x.shape[d] as number));
  // The index along every side of x, counted up in row-major order.
  const index = x.shape.map(() => 0);
  for (const value of x.data) {
    const at = order.reduce((flat, d, k) => flat * (y.shape[k] as number) + (index[d] as number), 0);
    y.data[at] = value;
    for (let d = index.length - 1; d >= 0; d--) {
      index[d] = ((index[d] as number) + 1) % (x.shape[d] as number);
      if (index[d] !== 0) break;
    }
  }
  return y;
}

/** The order that undoes `order`. */
export function inverse(order: readonly number[]): number[] {
  return order.map((_, d) => order.indexOf(d));
}
