/** Binary cross-entropy on logits and its gradient in float64. */
import { map, type NdArray, ndarray } from "./array.js";

/** mean −log p(label), p(1) = 1/(1 + e⁻ˣ), p(0) = 1 − p(1): log(1 + e^∓x), written so that nothing overflows; a scalar []. */
export function bceWithLogits(x: NdArray, label: 0 | 1): NdArray {
  let sum = 0;
  for (const value of x.data) {
    const z = label === 1 ? -value : value;
    sum += Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
  }
  return ndarray([], [sum / x.data.length]);
}

/** The gradient of loss·dloss: (p(1) − label) / count, written without cancellation. */
export function bceWithLogitsGradient(x: NdArray, label: 0 | 1, dloss: number): NdArray {
  const factor = dloss / x.data.length;
  return map(x, (value) => (label === 1 ? -factor / (1 + Math.exp(value)) : factor / (1 + Math.exp(-value))));
}
