/** The mean squared difference and its gradient in float64. */
import { map, type NdArray, ndarray } from "./array.js";

/** mean (pred − target)², a scalar []. */
export function mseLoss(pred: NdArray, target: NdArray): NdArray {
  let sum = 0;
  for (const [i, value] of pred.data.entries()) sum += (value - (target.data[i] as number)) ** 2;
  return ndarray([], [sum / pred.data.length]);
}

/** Gradients of loss·dloss. */
export function mseLossGradient(pred: NdArray, target: NdArray, dloss: number): { dpred: NdArray; dtarget: NdArray } {
  const dpred = map(pred, (value, i) => (2 * (value - (target.data[i] as number)) * dloss) / pred.data.length);
  return { dpred, dtarget: map(dpred, (value) => -value) };
}
