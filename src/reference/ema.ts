/** An exponential moving average, in float64. */
import { map, type NdArray } from "./array.js";

/** decay · average + (1 − decay) · parameter; the average itself where the gate (open, scale, norm) is closed. */
export function ema(average: NdArray, parameter: NdArray, decay: number, gate?: NdArray): NdArray {
  if (gate && gate.data[0] === 0) return average;
  return map(average, (value, i) => decay * value + (1 - decay) * (parameter.data[i] as number));
}
