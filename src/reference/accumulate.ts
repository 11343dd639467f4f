/** The sum of gradients over micro-batches, in float64. */
import { map, type NdArray } from "./array.js";

/** (keep ? sum : 0) + factor · gradient. */
export function accumulate(sum: NdArray, gradient: NdArray, keep: boolean, factor: number): NdArray {
  return map(sum, (value, i) => (keep ? value : 0) + factor * (gradient.data[i] as number));
}
