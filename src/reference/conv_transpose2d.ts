/** Transposed convolution and its gradients in float64 loops: every input pixel stamps the kernel onto the output. */
import { type NdArray, ndarray } from "./array.js";

export interface TransposedAttributes {
  readonly stride: number;
  readonly padding: number;
  readonly outputPadding: number;
}

type Sides = [number, number, number, number];
type Tap = (y: number, x: number, w: number) => void;

/** Calls `tap` with the flat indices of every product y += x · weight. */
function forEachTap(
  y: NdArray,
  x: NdArray,
  weight: NdArray,
  { stride, padding }: TransposedAttributes,
  tap: Tap,
): void {
  const [, Cout, OH, OW] = y.shape as Sides;
  const [N, Cin, H, W] = x.shape as Sides;
  const [, , KH, KW] = weight.shape as Sides;
  for (let n = 0; n < N; n++)
    for (let i = 0; i < Cin; i++)
      for (let o = 0; o < Cout; o++)
        for (let iy = 0; iy < H; iy++)
          for (let ix = 0; ix < W; ix++)
            for (let ky = 0; ky < KH; ky++)
              for (let kx = 0; kx < KW; kx++) {
                const oy = iy * stride - padding + ky;
                const ox = ix * stride - padding + kx;
                if (oy < 0 || oy >= OH || ox < 0 || ox >= OW) continue;
                tap(
                  ((n * Cout + o) * OH + oy) * OW + ox,
                  ((n * Cin + i) * H + iy) * W + ix,
                  ((i * Cout + o) * KH + ky) * KW + kx,
                );
              }
}

/** x [N,Cin,H,W], weight [Cin,Cout,kh,kw], bias [Cout] → y [N,Cout,H',W'], H' = (H−1)·stride − 2·padding + kh + outputPadding. */
export function convTranspose2d(
  x: NdArray,
  weight: NdArray,
  bias: NdArray | undefined,
  attributes: TransposedAttributes,
): NdArray {
  const { stride, padding, outputPadding } = attributes;
  const [N, , H, W] = x.shape as Sides;
  const [, Cout, kh, kw] = weight.shape as Sides;
  const side = (length: number, k: number) => (length - 1) * stride - 2 * padding + k + outputPadding;
  const y = ndarray([N, Cout, side(H, kh), side(W, kw)]);
  const plane = side(H, kh) * side(W, kw);
  if (bias) for (let i = 0; i < y.data.length; i++) y.data[i] = bias.data[Math.floor(i / plane) % Cout] as number;
  forEachTap(y, x, weight, attributes, (iy, ix, iw) => {
    (y.data[iy] as number) += (x.data[ix] as number) * (weight.data[iw] as number);
  });
  return y;
}

/** Gradients of Σ y·dy: dx, dweight, dbias. */
export function convTranspose2dGradient(x: NdArray, weight: NdArray, dy: NdArray, attributes: TransposedAttributes) {
  const dx = ndarray(x.shape);
  const dweight = ndarray(weight.shape);
  const dbias = ndarray([weight.shape[1] as number]);
  forEachTap(dy, x, weight, attributes, (iy, ix, iw) => {
    (dx.data[ix] as number) += (dy.data[iy] as number) * (weight.data[iw] as number);
    (dweight.data[iw] as number) += (dy.data[iy] as number) * (x.data[ix] as number);
  });
  const [, Cout, OH, OW] = dy.shape as Sides;
  for (const [i, value] of dy.data.entries()) (dbias.data[Math.floor(i / (OH * OW)) % Cout] as number) += value;
  return { dx, dweight, dbias };
}
