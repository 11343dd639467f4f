/** Sums over sides of a tensor, and expanding along them, in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** Calls `visit` with the flat index of every element of `shape` and of its place where the sides in `dims` are 1. */
function forEachElement(
  shape: readonly number[],
  dims: readonly number[],
  visit: (i: number, kept: number) => void,
): void {
  const size = shape.reduce((product, side) => product * side, 1);
  for (let i = 0; i < size; i++) {
    let rest = i;
    let kept = 0;
    let stride = 1;
    for (let d = shape.length - 1; d >= 0; d--) {
      const side = shape[d] as number;
      if (!dims.includes(d)) {
        kept += (rest % side) * stride;
        stride *= side;
      }
      rest = Math.floor(rest / side);
    }
    visit(i, kept);
  }
}

/** factor · the sum of `x` over `dims`; the summed sides stay, with length 1. */
export function sum(x: NdArray, dims: readonly number[], factor = 1): NdArray {
  const y = ndarray(x.shape.map((side, d) => (dims.includes(d) ? 1 : side)));
  forEachElement(x.shape, dims, (i, kept) => {
    (y.data[kept] as number) += factor * (x.data[i] as number);
  });
  return y;
}

/** factor · `x` repeated along its sides of length 1 to `shape`: also the gradient of a sum. */
export function expand(x: NdArray, shape: readonly number[], factor = 1): NdArray {
  const y = ndarray(shape);
  const dims = shape.flatMap((_, d) => (x.shape[d] === 1 ? [d] : []));
  forEachElement(shape, dims, (i, kept) => {
    y.data[i] = factor * (x.data[kept] as number);
  });
  return y;
}

/** The gradient of `expand`: factor · the sum of `dy` over the sides that were repeated. */
export function expandGradient(x: NdArray, dy: NdArray, factor = 1): NdArray {
  const dims = x.shape.flatMap((side, d) => (side === 1 ? [d] : []));
  return sum(dy, dims, factor);
}
