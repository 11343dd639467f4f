/** Batch normalisation: `shaders/batch_norm*.wgsl`, on the statistics of `planes.ts`. */
import { flatGrid, nchw, type Operands, type Recorder } from "./kernel.js";
import { cutPlanes, gradientSums, moments, type Normalised } from "./shared/planes.js";

export interface BatchNormAttributes {
  readonly training: boolean;
  readonly momentum: number;
  readonly eps: number;
}

type Inputs = Operands<"x" | "weight" | "bias" | "runningMean" | "runningVar">;

/**
 * y = (x − mean) / √(variance + eps) · weight + bias. In training mean and variance [C] are outputs, and the running
 * statistics move towards them in place; otherwise the running statistics normalise.
 */
export function batchNorm(
  recorder: Recorder,
  inputs: Inputs,
  { y, ...batch }: Operands<"y", "mean" | "variance">,
  { momentum, eps }: BatchNormAttributes,
): void {
  const { x, weight, bias, runningMean, runningVar } = inputs;
  const { mean = runningMean, variance = runningVar } = batch;
  if (batch.mean && batch.variance) batchStatistics(recorder, inputs, { mean, variance }, momentum);
  const { constants, params, workgroups } = cutPlanes(x.shape);
  const [, channels] = nchw(x);
  recorder.dispatch({
    shader: "batch_norm",
    constants,
    params: { ...params, channels, eps },
    bindings: { x, mean, variance, weight, bias, y },
    workgroups,
  });
}

/** The mean and biased variance [C] of the batch, and the running ones (variance unbiased) moved towards them. */
function batchStatistics(
  recorder: Recorder,
  { x, runningMean, runningVar }: Inputs,
  { mean, variance }: Operands<"mean" | "variance">,
  momentum: number,
): void {
  moments(recorder, x, { mean, spread: variance }, "channel", "VARIANCE");
  const [N, channels, H, W] = nchw(x);
  const count = N * H * W;
  recorder.dispatch({
    shader: "batch_norm_update",
    params: { channels, momentum, correction: count / (count - 1) },
    bindings: { mean, variance, running_mean: runningMean, running_variance: runningVar },
    workgroups: flatGrid(channels),
  });
}

/** Σ dy and Σ dy·x̂ of every channel: the gradients of bias and weight, and what that of x needs. */
export function batchNormSums(
  recorder: Recorder,
  saved: Normalised,
  outputs: Operands<"sums" | "products">,
  { eps }: BatchNormAttributes,
): void {
  gradientSums(recorder, saved, outputs, "channel", eps);
}

/** dx from the saved statistics and the sums above. */
export function batchNormGradient(
  recorder: Recorder,
  { x, mean, variance, dy, weight, sums, products }: Normalised & Operands<"weight" | "sums" | "products">,
  { dx }: Operands<"dx">,
  { training, eps }: BatchNormAttributes,
): void {
  const { constants, params, workgroups } = cutPlanes(x.shape);
  const [, channels] = nchw(x);
  recorder.dispatch({
    shader: "batch_norm_gradient",
    constants: { TRAINING: training, ...constants },
    params: { ...params, channels, eps },
    bindings: { x, mean, variance, dy, weight, sums, products, dx },
    workgroups,
  });
}
