/** The mean absolute difference and its gradient in float64. */
import { map, type NdArray, ndarray } from "./array.js";

/** mean |pred − target|, a scalar []. */
export function l1Loss(pred: NdArray, target: NdArray): NdArray {
  let sum = 0;
  for (const [i, value] of pred.data.entries()) sum += Math.abs(value - (target.data[i] as number));
  return ndarray([], [sum / pred.data.length]);
}

/** Gradients of loss·dloss; 0 where both are equal. */
export function l1LossGradient(pred: NdArray, target: NdArray, dloss: number): { dpred: NdArray; dtarget: NdArray } {
  const dpred = map(pred, (value, i) => (Math.sign(value - (target.data[i] as number)) * dloss) / pred.data.length);
  return { dpred, dtarget: map(dpred, (value) => -value) };
}
