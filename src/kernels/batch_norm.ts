/** Batch normalisation: `shaders/batch_norm*.wgsl`, on the statistics of `planes.ts`. */
import { flatGrid, type Operand, type Recorder } from "./kernel.js";
import { cutPlanes, gradientSums, moments, type Normalised } from "./shared/planes.js";

export interface BatchNormAttributes {
  readonly training: boolean;
  readonly momentum: number;
  readonly eps: number;
}

export interface BatchNorm {
  readonly x: Operand;
  readonly mean: Operand;
  readonly variance: Operand;
  readonly weight: Operand;
  readonly bias: Operand;
  readonly y: Operand;
}

/** y = (x − mean) / √(variance + eps) · weight + bias, with statistics [C] given. */
export function batchNorm(recorder: Recorder, operands: BatchNorm, eps: number): void {
  const { constants, params, workgroups } = cutPlanes(operands.x.shape);
  const channels = operands.x.shape[1] as number;
  recorder.dispatch({
    shader: "batch_norm",
    constants,
    params: { ...params, channels, eps },
    bindings: { ...operands },
    workgroups,
  });
}

/** The mean and biased variance [C] of the batch, and the running ones (variance unbiased) moved towards them. */
export function batchStatistics(
  recorder: Recorder,
  x: Operand,
  mean: Operand,
  variance: Operand,
  running: { mean: Operand; variance: Operand },
  momentum: number,
): void {
  moments(recorder, x, mean, variance, "channel", "VARIANCE");
  const [N, channels, H, W] = x.shape as [number, number, number, number];
  const count = N * H * W;
  recorder.dispatch({
    shader: "batch_norm_update",
    params: { channels, momentum, correction: count / (count - 1) },
    bindings: { mean, variance, running_mean: running.mean, running_variance: running.variance },
    workgroups: flatGrid(channels),
  });
}

/** Σ dy and Σ dy·x̂ of every channel: the gradients of bias and weight, and what that of x needs. */
export function batchNormSums(
  recorder: Recorder,
  saved: Normalised,
  sums: Operand,
  products: Operand,
  eps: number,
): void {
  gradientSums(recorder, saved, sums, products, "channel", eps);
}

export interface BatchNormGradient extends Normalised {
  readonly weight: Operand;
  readonly sums: Operand;
  readonly products: Operand;
  readonly dx: Operand;
}

/** dx from the saved statistics and the sums above. */
export function batchNormGradient(
  recorder: Recorder,
  operands: BatchNormGradient,
  { training, eps }: BatchNormAttributes,
): void {
  const { constants, params, workgroups } = cutPlanes(operands.x.shape);
  const channels = operands.x.shape[1] as number;
  recorder.dispatch({
    shader: "batch_norm_gradient",
    constants: { TRAINING: training, ...constants },
    params: { ...params, channels, eps },
    bindings: { ...operands },
    workgroups,
  });
}
