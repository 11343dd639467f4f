/** Fully connected layer and its gradients in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

/** x [N,inner], weight [outputs,inner], bias [outputs] → y [N,outputs]. */
export function linear(x: NdArray, weight: NdArray, bias: NdArray | undefined): NdArray {
  const [N, inner] = x.shape as [number, number];
  const outputs = weight.shape[0] as number;
  const y = ndarray([N, outputs]);
  for (let n = 0; n < N; n++)
    for (let o = 0; o < outputs; o++) {
      let sum = bias?.data[o] ?? 0;
      for (let i = 0; i < inner; i++) sum += (x.data[n * inner + i] as number) * (weight.data[o * inner + i] as number);
      y.data[n * outputs + o] = sum;
    }
  return y;
}

/** Gradients of Σ y·dy. */
export function linearGradient(
  x: NdArray,
  weight: NdArray,
  dy: NdArray,
): { dx: NdArray; dweight: NdArray; dbias: NdArray } {
  const [N, inner] = x.shape as [number, number];
  const outputs = weight.shape[0] as number;
  const dx = ndarray(x.shape);
  const dweight = ndarray(weight.shape);
  const dbias = ndarray([outputs]);
  for (let n = 0; n < N; n++)
    for (let o = 0; o < outputs; o++) {
      const upstream = dy.data[n * outputs + o] as number;
      (dbias.data[o] as number) += upstream;
      for (let i = 0; i < inner; i++) {
        (dx.data[n * inner + i] as number) += upstream * (weight.data[o * inner + i] as number);
        (dweight.data[o * inner + i] as number) += upstream * (x.data[n * inner + i] as number);
      }
    }
  return { dx, dweight, dbias };
}
