/** The smooth mean absolute difference and its gradient in float64. */
import { map, type NdArray, ndarray } from "./array.js";

/** The mean of d² / (2·beta) where d = |pred − target| < beta, else of d − beta / 2, a scalar []. */
export function smoothL1Loss(pred: NdArray, target: NdArray, beta: number): NdArray {
  let sum = 0;
  for (const [i, value] of pred.data.entries()) {
    const distance = Math.abs(value - (target.data[i] as number));
    sum += distance < beta ? distance ** 2 / (2 * beta) : distance - beta / 2;
  }
  return ndarray([], [sum / pred.data.length]);
}

/** Gradients of loss·dloss. */
export function smoothL1LossGradient(
  pred: NdArray,
  target: NdArray,
  beta: number,
  dloss: number,
): { dpred: NdArray; dtarget: NdArray } {
  const dpred = map(pred, (value, i) => {
    const difference = value - (target.data[i] as number);
    return (Math.max(-1, Math.min(1, difference / beta)) * dloss) / pred.data.length;
  });
  return { dpred, dtarget: map(dpred, (value) => -value) };
}
