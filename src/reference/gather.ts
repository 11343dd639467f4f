/** Columns picked by index in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** x [N,C,L], index [N,J] → y [N,C,J]: y[n, c, j] = x[n, c, index[n, j]]. */
export function gather(x: NdArray, index: NdArray): NdArray {
  const [N, C] = x.shape as [number, number];
  const y = ndarray([N, C, index.shape[1] as number]);
  forEachCopy(x.shape, index, (iy, ix) => {
    y.data[iy] = x.data[ix] as number;
  });
  return y;
}

/** Gradient of Σ y·dy: dx of the given shape. */
export function gatherGradient(index: NdArray, dy: NdArray, shape: readonly number[]): NdArray {
  const dx = ndarray(shape);
  forEachCopy(shape, index, (iy, ix) => {
    (dx.data[ix] as number) += dy.data[iy] as number;
  });
  return dx;
}

/** Calls `copy` with the flat indices of every y and of the x that it takes. */
function forEachCopy(shape: readonly number[], index: NdArray, copy: (iy: number, ix: number) => void): void {
  const [N, C, L] = shape as [number, number, number];
  const J = index.shape[1] as number;
  for (let n = 0; n < N; n++)
    for (let c = 0; c < C; c++)
      for (let j = 0; j < J; j++) copy((n * C + c) * J + j, (n * C + c) * L + (index.data[n * J + j] as number));
}
