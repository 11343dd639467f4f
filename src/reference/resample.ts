/** Resizing by weighted taps in float64 loops: what bilinear and bicubic have in common. */
import { type NdArray, ndarray } from "./array.js";

/** The inputs that output `o` reads along one side, with their weights. An index may occur twice. */
export type Taps = (o: number, side: number, outSide: number) => readonly (readonly [i: number, weight: number])[];

type Product = (iy: number, ix: number, weight: number) => void;

/** Calls `product` with the flat indices of every product y += weight · x. */
function forEachProduct(shape: readonly number[], outShape: readonly number[], taps: Taps, product: Product): void {
  const [N, C, H, W] = shape as [number, number, number, number];
  const [, , OH, OW] = outShape as [number, number, number, number];
  for (let plane = 0; plane < N * C; plane++)
    for (let oy = 0; oy < OH; oy++)
      for (let ox = 0; ox < OW; ox++)
        for (const [iy, weightY] of taps(oy, H, OH))
          for (const [ix, weightX] of taps(ox, W, OW))
            product((plane * OH + oy) * OW + ox, (plane * H + iy) * W + ix, weightY * weightX);
}

/** x [N,C,H,W] → y [N,C,OH,OW]. */
export function resample(x: NdArray, [OH, OW]: readonly [number, number], taps: Taps): NdArray {
  const [N, C] = x.shape as [number, number];
  const y = ndarray([N, C, OH, OW]);
  forEachProduct(x.shape, y.shape, taps, (iy, ix, weight) => {
    (y.data[iy] as number) += weight * (x.data[ix] as number);
  });
  return y;
}

/** Gradient of Σ y·dy: dx of the given shape. */
export function resampleGradient(dy: NdArray, shape: readonly number[], taps: Taps): NdArray {
  const dx = ndarray(shape);
  forEachProduct(shape, dy.shape, taps, (iy, ix, weight) => {
    (dx.data[ix] as number) += weight * (dy.data[iy] as number);
  });
  return dx;
}
