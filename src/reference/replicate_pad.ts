/** Padding that repeats the border, in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** Pixels added: left, right, top, bottom. */
export type Padding = readonly [left: number, right: number, top: number, bottom: number];

/** Calls `copy` with the flat indices of every y and of the x that it repeats. */
function forEachCopy(
  shape: readonly number[],
  [left, right, top, bottom]: Padding,
  copy: (iy: number, ix: number) => void,
): void {
  const [N, C, H, W] = shape as [number, number, number, number];
  let iy = 0;
  for (let plane = 0; plane < N * C; plane++)
    for (let row = -top; row < H + bottom; row++)
      for (let column = -left; column < W + right; column++) {
        const y = Math.min(Math.max(row, 0), H - 1);
        const x = Math.min(Math.max(column, 0), W - 1);
        copy(iy++, (plane * H + y) * W + x);
      }
}

/** x [N,C,H,W] → y [N,C,top + H + bottom,left + W + right]. */
export function replicatePad(x: NdArray, padding: Padding): NdArray {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const [left, right, top, bottom] = padding;
  const y = ndarray([N, C, top + H + bottom, left + W + right]);
  forEachCopy(x.shape, padding, (iy, ix) => {
    y.data[iy] = x.data[ix] as number;
  });
  return y;
}

/** Gradient of Σ y·dy: dx of the given shape. */
export function replicatePadGradient(dy: NdArray, shape: readonly number[], padding: Padding): NdArray {
  const dx = ndarray(shape);
  forEachCopy(shape, padding, (iy, ix) => {
    (dx.data[ix] as number) += dy.data[iy] as number;
  });
  return dx;
}
