/** Differences of neighbours along a side, and their gradient, in float64. */
import { map, type NdArray, ndarray } from "./array.js";

/** Elements from one position along side `dim` to the next. */
function strideOf(shape: readonly number[], dim: number): number {
  return shape.slice(dim + 1).reduce((product, side) => product * side, 1);
}

/** y[i] = x[i + 1] − x[i] along side `dim`. */
export function difference(x: NdArray, dim: number): NdArray {
  const side = x.shape[dim] as number;
  const stride = strideOf(x.shape, dim);
  const y = ndarray(x.shape.map((length, d) => (d === dim ? length - 1 : length)));
  return map(y, (_, i) => {
    const row = Math.floor(i / (stride * (side - 1)));
    const at = i + row * stride;
    return (x.data[at + stride] as number) - (x.data[at] as number);
  });
}

/** dx[i] = dy[i − 1] − dy[i], where there are such. */
export function differenceGradient(dy: NdArray, dim: number): NdArray {
  const side = (dy.shape[dim] as number) + 1;
  const stride = strideOf(dy.shape, dim);
  const dx = ndarray(dy.shape.map((length, d) => (d === dim ? side : length)));
  return map(dx, (_, i) => {
    const row = Math.floor(i / (stride * side));
    const place = Math.floor(i / stride) % side;
    const at = i - row * stride;
    const before = place > 0 ? (dy.data[at - stride] as number) : 0;
    return before - (place < side - 1 ? (dy.data[at] as number) : 0);
  });
}
