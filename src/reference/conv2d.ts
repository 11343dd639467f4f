/** Convolution (cross-correlation, as in PyTorch) and its gradients in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

export interface ConvolutionAttributes {
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

type Tap = (y: number, x: number, w: number) => void;

/** Calls `tap` with the flat indices of every product y += x · weight: the one loop nest that defines convolution. */
function forEachTap(
  [n, o, oh, ow]: readonly number[],
  [, c, h, w]: readonly number[],
  [, , kh, kw]: readonly number[],
  { stride, padding, dilation }: ConvolutionAttributes,
  tap: Tap,
): void {
  const [N, O, OH, OW, C, H, W, KH, KW] = [n, o, oh, ow, c, h, w, kh, kw] as number[] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  for (let b = 0; b < N; b++)
    for (let k = 0; k < O; k++)
      for (let oy = 0; oy < OH; oy++)
        for (let ox = 0; ox < OW; ox++)
          for (let i = 0; i < C; i++)
            for (let ky = 0; ky < KH; ky++)
              for (let kx = 0; kx < KW; kx++) {
                const y = oy * stride - padding + ky * dilation;
                const x = ox * stride - padding + kx * dilation;
                if (y < 0 || y >= H || x < 0 || x >= W) continue;
                tap(
                  ((b * O + k) * OH + oy) * OW + ox,
                  ((b * C + i) * H + y) * W + x,
                  ((k * C + i) * KH + ky) * KW + kx,
                );
              }
}

/** The side of the output: ⌊(side + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1. */
export function outputSide(side: number, kernel: number, { stride, padding, dilation }: ConvolutionAttributes): number {
  return Math.floor((side + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
}

/** x [N,C,H,W], weight [O,C,kh,kw], bias [O] → y [N,O,OH,OW]. */
export function conv2d(
  x: NdArray,
  weight: NdArray,
  bias: NdArray | undefined,
  attributes: ConvolutionAttributes,
): NdArray {
  const [N, , H, W] = x.shape as [number, number, number, number];
  const [O, , kh, kw] = weight.shape as [number, number, number, number];
  const y = ndarray([N, O, outputSide(H, kh, attributes), outputSide(W, kw, attributes)]);
  const plane = y.data.length / (N * O);
  if (bias) for (let i = 0; i < y.data.length; i++) y.data[i] = bias.data[Math.floor(i / plane) % O] as number;
  forEachTap(y.shape, x.shape, weight.shape, attributes, (iy, ix, iw) => {
    (y.data[iy] as number) += (x.data[ix] as number) * (weight.data[iw] as number);
  });
  return y;
}

/** Gradients of Σ y·dy: dx, dweight, dbias. */
export function conv2dGradient(x: NdArray, weight: NdArray, dy: NdArray, attributes: ConvolutionAttributes) {
  const dx = ndarray(x.shape);
  const dweight = ndarray(weight.shape);
  const dbias = ndarray([weight.shape[0] as number]);
  forEachTap(dy.shape, x.shape, weight.shape, attributes, (iy, ix, iw) => {
    (dx.data[ix] as number) += (dy.data[iy] as number) * (weight.data[iw] as number);
    (dweight.data[iw] as number) += (dy.data[iy] as number) * (x.data[ix] as number);
  });
  const [, O, OH, OW] = dy.shape as [number, number, number, number];
  for (const [i, value] of dy.data.entries()) (dbias.data[Math.floor(i / (OH * OW)) % O] as number) += value;
  return { dx, dweight, dbias };
}
