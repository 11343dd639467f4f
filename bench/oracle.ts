/**
 * Checks of a few outputs against float64. At MASA's shapes a whole convolution in float64 loops takes minutes; an error
 * of a kernel shows in a few hundred outputs at random places.
 */
import type { Data } from "../src/graph/plan/plan.js";
import { type NdArray, ndarray } from "../src/reference/array.js";
import type { Uniform } from "./case.js";

export interface Array4 {
  readonly shape: readonly [number, number, number, number];
  readonly data: Data;
}

/** One output as it should be. */
export interface Expected {
  readonly value: number;
  /** Most that rounding can move it. */
  readonly bound: number;
}

/** Outputs looked at in a tensor. */
const SAMPLES = 200;

/** The largest error of `got` at random places, as a part of its bound; infinite for what is no number. */
export function worstError(got: Data, uniform: Uniform, expected: (i: number) => Expected, samples = SAMPLES): number {
  let worst = 0;
  for (let sample = 0; sample < samples; sample++) {
    const i = Math.floor(uniform() * got.length);
    const { value, bound } = expected(i);
    const error = Math.abs((got[i] as number) - value) / (bound + Number.MIN_VALUE);
    worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
  }
  return worst;
}

/** Rounding of a float32 sum of `terms` products, relative to Σ|terms|: the bound of test/graph/ops/check.ts. */
export function rounding(terms: number): number {
  return 4 * Math.sqrt(terms) * 2 ** -24;
}

/** A sum of products in float64 with its bound. */
export class Products implements Expected {
  value = 0;
  /** Σ|terms|. */
  size = 0;
  terms = 0;

  add(a: number, b: number): void {
    this.value += a * b;
    this.size += Math.abs(a * b);
    this.terms++;
  }

  get bound(): number {
    return rounding(this.terms) * this.size;
  }
}

/** How a convolution's window moves. */
export interface Window {
  readonly stride: number;
  readonly padding: number;
}

/** y[i] of x [N,C,H,W] ⋆ weight [O,C,KH,KW] → y [N,O,P,Q], without bias. */
export function convolutionSum(
  i: number,
  y: Array4["shape"],
  x: Array4,
  weight: Array4,
  { stride, padding }: Window,
): Products {
  const [, C, H, W] = x.shape;
  const [, , KH, KW] = weight.shape;
  const [n, o, p, q] = position(i, y);
  const sum = new Products();
  for (let c = 0; c < C; c++)
    for (let ky = 0; ky < KH; ky++)
      for (let kx = 0; kx < KW; kx++) {
        const [h, w] = [p * stride - padding + ky, q * stride - padding + kx];
        if (h >= 0 && h < H && w >= 0 && w < W) sum.add(at(x, n, c, h, w), at(weight, o, c, ky, kx));
      }
  return sum;
}

/** dx[i] of the same convolution: the sum over the outputs that x[i] fed. Also a transposed convolution's y[i]. */
export function adjointSum(
  i: number,
  dx: Array4["shape"],
  dy: Array4,
  weight: Array4,
  { stride, padding }: Window,
): Products {
  const [, O, P, Q] = dy.shape;
  const [, , KH, KW] = weight.shape;
  const [n, c, h, w] = position(i, dx);
  const sum = new Products();
  for (let o = 0; o < O; o++)
    for (let ky = 0; ky < KH; ky++)
      for (let kx = 0; kx < KW; kx++) {
        const [p, q] = [(h + padding - ky) / stride, (w + padding - kx) / stride];
        if (Number.isInteger(p) && Number.isInteger(q) && p >= 0 && p < P && q >= 0 && q < Q)
          sum.add(at(dy, n, o, p, q), at(weight, o, c, ky, kx));
      }
  return sum;
}

/** dweight[i] of the same convolution. */
export function weightSum(
  i: number,
  dweight: Array4["shape"],
  x: Array4,
  dy: Array4,
  { stride, padding }: Window,
): Products {
  const [N, , H, W] = x.shape;
  const [, , P, Q] = dy.shape;
  const [o, c, ky, kx] = position(i, dweight);
  const sum = new Products();
  for (let n = 0; n < N; n++)
    for (let p = 0; p < P; p++)
      for (let q = 0; q < Q; q++) {
        const [h, w] = [p * stride - padding + ky, q * stride - padding + kx];
        if (h >= 0 && h < H && w >= 0 && w < W) sum.add(at(x, n, c, h, w), at(dy, n, o, p, q));
      }
  return sum;
}

function at({ shape: [, B, C, D], data }: Array4, a: number, b: number, c: number, d: number): number {
  return data[((a * B + b) * C + c) * D + d] as number;
}

/** The four indices of a flat one. */
export function position(i: number, [, B, C, D]: Array4["shape"]): [number, number, number, number] {
  return [Math.floor(i / (B * C * D)), Math.floor(i / (C * D)) % B, Math.floor(i / D) % C, i % D];
}

/** x [N,C₁,H,W] and y [N,C₂,H,W] → [N,C₁+C₂,H,W]. */
export function joinChannels(x: Array4, y: Array4): Array4 {
  const [N, C, H, W] = x.shape;
  const [length, more] = [C * H * W, y.shape[1] * H * W];
  const data = new Float32Array(x.data.length + y.data.length);
  for (let n = 0; n < N; n++) {
    data.set(x.data.subarray(n * length, (n + 1) * length) as Float32Array, n * (length + more));
    data.set(y.data.subarray(n * more, (n + 1) * more) as Float32Array, n * (length + more) + length);
  }
  return { shape: [N, C + y.shape[1], H, W], data };
}

/** The same for whole planes, which are cheaper to compute at once: `expected` gives all values of plane `p`. */
export function worstPlaneError(
  got: Data,
  [, , H, W]: Array4["shape"],
  uniform: Uniform,
  expected: (p: number) => { readonly values: Float64Array; readonly bounds: (i: number) => number },
): number {
  let worst = 0;
  for (let sample = 0; sample < PLANES; sample++) {
    const p = Math.floor((uniform() * got.length) / (H * W));
    const { values, bounds } = expected(p);
    const part = got.subarray(p * H * W, (p + 1) * H * W);
    const all = Math.ceil(SAMPLES / PLANES);
    const error = worstError(part, uniform, (i) => ({ value: values[i] as number, bound: bounds(i) }), all);
    worst = Math.max(worst, error);
  }
  return worst;
}

const PLANES = 4;

/** Plane `p` of a tensor as a tensor [1,1,H,W] of the reference. */
export function plane(data: Data, [, , H, W]: Array4["shape"], p: number): NdArray {
  return ndarray([1, 1, H, W], data.subarray(p * H * W, (p + 1) * H * W));
}
