/** Tensors joined along a side, in float64 loops. The gradient of each is its slice of dy. */
import { type NdArray, ndarray } from "./array.js";

/** The arrays `xs`, which differ in side `dim` at most, one behind the other along that side. */
export function concat(xs: readonly NdArray[], dim: number): NdArray {
  const { shape } = xs[0] as NdArray;
  const side = xs.reduce((sum, x) => sum + (x.shape[dim] as number), 0);
  const y = ndarray(shape.map((length, d) => (d === dim ? side : length)));
  const outer = shape.slice(0, dim).reduce((product, length) => product * length, 1);
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (const x of xs) {
      const block = x.data.length / outer;
      for (let i = 0; i < block; i++) y.data[at++] = x.data[o * block + i] as number;
    }
  return y;
}
