/** A run of one side, in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** x from `start` up to, not including, `end` along side `dim`. */
export function slice(x: NdArray, dim: number, start: number, end: number): NdArray {
  const y = ndarray(x.shape.map((length, d) => (d === dim ? end - start : length)));
  forEachCopy(x.shape, dim, start, end, (iy, ix) => {
    y.data[iy] = x.data[ix] as number;
  });
  return y;
}

/** Gradient of Σ y·dy: dx of the given shape, 0 outside the run. */
export function sliceGradient(dy: NdArray, shape: readonly number[], dim: number, start: number, end: number): NdArray {
  const dx = ndarray(shape);
  forEachCopy(shape, dim, start, end, (iy, ix) => {
    dx.data[ix] = dy.data[iy] as number;
  });
  return dx;
}

/** Calls `copy` with the flat indices of every y and of the x that it takes. */
function forEachCopy(
  shape: readonly number[],
  dim: number,
  start: number,
  end: number,
  copy: (iy: number, ix: number) => void,
): void {
  const size = (sides: readonly number[]) => sides.reduce((product, length) => product * length, 1);
  const [outer, side, inner] = [size(shape.slice(0, dim)), shape[dim] as number, size(shape.slice(dim + 1))];
  let iy = 0;
  for (let o = 0; o < outer; o++)
    for (let k = start; k < end; k++) for (let i = 0; i < inner; i++) copy(iy++, (o * side + k) * inner + i);
}
