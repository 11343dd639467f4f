/** 3×3 patches of feature maps as unit vectors: what the matching compares (paper, section 3.2), in float64. */
import type { NdArray } from "./array.js";

/** `torch.nn.functional.normalize` divides by max(norm, EPS). */
export const EPS = 1e-12;

/** The nine offsets of a patch, row by row. */
export const TAPS: readonly (readonly [number, number])[] = [-1, 0, 1].flatMap((y) =>
  [-1, 0, 1].map((x) => [y, x] as const),
);

/** Where coordinate `i` of a side is read: `zero` gives −1 outside. */
export const BORDER = {
  zero: (i: number, side: number) => (i < 0 || i >= side ? -1 : i),
  replicate: (i: number, side: number) => Math.min(Math.max(i, 0), side - 1),
  /** An index below 0 counts from the end, as in Python. */
  wrap: (i: number, side: number) => (i < 0 ? i + side : i),
};
export type Border = keyof typeof BORDER;

export interface Patch {
  /** Flat indices into the map of its 9·C values, channel slowest; −1 for a zero outside. */
  readonly indices: readonly number[];
  /** The values divided by max(norm, EPS). */
  readonly unit: Float64Array;
  readonly norm: number;
}

/** The patch of `map` [N,C,H,W] around (y, x), its taps `dilation` apart. */
export function patch(map: NdArray, n: number, y: number, x: number, border: Border, dilation = 1): Patch {
  const [, C, H, W] = map.shape as [number, number, number, number];
  const indices: number[] = [];
  for (let c = 0; c < C; c++)
    for (const [dy, dx] of TAPS) {
      const row = BORDER[border](y + dilation * dy, H);
      const column = BORDER[border](x + dilation * dx, W);
      indices.push(row < 0 || column < 0 ? -1 : ((n * C + c) * H + row) * W + column);
    }
  const values = Float64Array.from(indices, (i) => (i < 0 ? 0 : (map.data[i] as number)));
  const norm = Math.sqrt(dot(values, values));
  return { indices, unit: values.map((value) => value / Math.max(norm, EPS)), norm };
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** The best of `scores`, the first of equals, and by how much it leads the rest. */
export function best(scores: readonly number[]): { index: number; score: number; margin: number } {
  let index = 0;
  for (const [i, score] of scores.entries()) if (score > (scores[index] as number)) index = i;
  const score = scores[index] as number;
  const second = scores.reduce(
    (most, other, i) => (i === index ? most : Math.max(most, other)),
    Number.NEGATIVE_INFINITY,
  );
  return { index, score, margin: score - second };
}
