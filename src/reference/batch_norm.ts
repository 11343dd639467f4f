/** Batch normalisation and its gradient in float64 loops. */
import { type NdArray, ndarray } from "./array.js";

export interface BatchNormAttributes {
  readonly training: boolean;
  readonly momentum: number;
  readonly eps: number;
}

export interface Running {
  readonly mean: NdArray;
  readonly variance: NdArray;
}

/** Calls `visit` with the flat index and the channel of every element of x [N,C,H,W]. */
function forEachElement({ shape, data }: NdArray, visit: (i: number, c: number) => void): void {
  const [, C, H, W] = shape as [number, number, number, number];
  for (let i = 0; i < data.length; i++) visit(i, Math.floor(i / (H * W)) % C);
}

/** Mean and biased variance of every channel. */
function batchStatistics(x: NdArray): Running {
  const C = x.shape[1] as number;
  const count = x.data.length / C;
  const mean = ndarray([C]);
  const variance = ndarray([C]);
  forEachElement(x, (i, c) => {
    (mean.data[c] as number) += (x.data[i] as number) / count;
  });
  forEachElement(x, (i, c) => {
    (variance.data[c] as number) += ((x.data[i] as number) - (mean.data[c] as number)) ** 2 / count;
  });
  return { mean, variance };
}

/** The running statistics after a training step (variance unbiased). One that float32 could not hold stays as it was. */
export function updateRunning(x: NdArray, running: Running, momentum: number): Running {
  const { mean, variance } = batchStatistics(x);
  const count = x.data.length / (x.shape[1] as number);
  const move = (from: NdArray, to: NdArray, factor: number) =>
    ndarray(
      from.shape,
      from.data.map((value, c) => {
        const next = (1 - momentum) * value + momentum * factor * (to.data[c] as number);
        return Number.isFinite(Math.fround(next)) ? next : value;
      }),
    );
  return {
    mean: move(running.mean, mean, 1),
    variance: move(running.variance, variance, count / (count - 1)),
  };
}

/** y = (x − mean) / √(variance + eps) · weight + bias, with the batch's statistics in training, else the running ones. */
export function batchNorm(
  x: NdArray,
  weight: NdArray,
  bias: NdArray,
  running: Running,
  { training, eps }: BatchNormAttributes,
): NdArray {
  const { mean, variance } = training ? batchStatistics(x) : running;
  const y = ndarray(x.shape);
  forEachElement(x, (i, c) => {
    const normalised =
      ((x.data[i] as number) - (mean.data[c] as number)) / Math.sqrt((variance.data[c] as number) + eps);
    y.data[i] = normalised * (weight.data[c] as number) + (bias.data[c] as number);
  });
  return y;
}

/** Gradients of Σ y·dy. In training x also acts through the mean and the variance: the two terms with a sum. */
export function batchNormGradient(
  x: NdArray,
  weight: NdArray,
  dy: NdArray,
  running: Running,
  { training, eps }: BatchNormAttributes,
): { dx: NdArray; dweight: NdArray; dbias: NdArray } {
  const { mean, variance } = training ? batchStatistics(x) : running;
  const count = x.data.length / (x.shape[1] as number);
  const dx = ndarray(x.shape);
  const dweight = ndarray(weight.shape);
  const dbias = ndarray(weight.shape);
  const factor = (c: number) => 1 / Math.sqrt((variance.data[c] as number) + eps);
  const normalised = (i: number, c: number) => ((x.data[i] as number) - (mean.data[c] as number)) * factor(c);
  forEachElement(x, (i, c) => {
    (dweight.data[c] as number) += (dy.data[i] as number) * normalised(i, c);
    (dbias.data[c] as number) += dy.data[i] as number;
  });
  forEachElement(x, (i, c) => {
    const through = training ? ((dbias.data[c] as number) + normalised(i, c) * (dweight.data[c] as number)) / count : 0;
    dx.data[i] = (weight.data[c] as number) * factor(c) * ((dy.data[i] as number) - through);
  });
  return { dx, dweight, dbias };
}
