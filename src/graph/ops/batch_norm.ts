/** Batch normalisation (Ioffe, Szegedy 2015) with running statistics, as the discriminator uses it. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/batch_norm.js";
import type { Operand } from "../../kernels/kernel.js";
import { type Operation, record, recordOne, type Tensor, type Variable } from "../trace/tensor.js";

type Attributes = kernels.BatchNormAttributes;

/** Inputs x, weight, bias, running mean and variance; outputs y and, in training, mean and variance of the batch. */
const operation: Operation<Attributes> = {
  name: "batch_norm",
  outputs([x, ...vectors], { training }) {
    const { name, shape } = x as Tensor;
    const [N = 0, C = 0, H = 0, W = 0] = shape;
    if (shape.length !== 4) throw new ShapeError("batch_norm", name, `has shape [${shape}], not [N, C, H, W]`);
    for (const vector of vectors)
      if (vector?.shape.join() !== `${C}`)
        throw new ShapeError("batch_norm", vector?.name ?? "a vector", `has shape [${vector?.shape}], not [${C}]`);
    if (training && N * H * W < 2)
      throw new ShapeError("batch_norm", name, `has shape [${shape}]; training needs two elements a channel`);
    return training ? [{ shape }, { shape: [C] }, { shape: [C] }] : [{ shape }];
  },
  kernel(recorder, inputs, [y, mean, variance], { momentum, eps }) {
    const [x, weight, bias, runningMean, runningVar] = inputs as [Operand, Operand, Operand, Operand, Operand];
    if (!y) return;
    if (mean && variance)
      kernels.batchStatistics(recorder, x, mean, variance, { mean: runningMean, variance: runningVar }, momentum);
    kernels.batchNorm(
      recorder,
      { x, mean: mean ?? runningMean, variance: variance ?? runningVar, weight, bias, y },
      eps,
    );
  },
  gradient({ inputs, outputs: [, mean, variance], attributes, dys: [dy] }) {
    const [x, weight, , runningMean, runningVar] = inputs;
    const saved = [x, mean ?? runningMean, variance ?? runningVar, dy];
    const [dbias, dweight] = record(sumsOperation, saved, attributes);
    return [recordOne(gradientOperation, [...saved, weight, dbias, dweight], attributes), dweight, dbias];
  },
};

/** In training the running statistics are written to. */
const trainingOperation: Operation<Attributes> = {
  ...operation,
  updates: ([, , , runningMean, runningVar]) => [runningMean as Variable, runningVar as Variable],
};

const sumsOperation: Operation<Attributes> = {
  name: "batch_norm_sums",
  outputs: ([, mean]) => [{ shape: (mean as Tensor).shape }, { shape: (mean as Tensor).shape }],
  kernel(recorder, inputs, [sums, products], { eps }) {
    const [x, mean, variance, dy] = inputs as [Operand, Operand, Operand, Operand];
    if (sums && products) kernels.batchNormSums(recorder, { x, mean, variance, dy }, sums, products, eps);
  },
};

const gradientOperation: Operation<Attributes> = {
  name: "batch_norm_gradient",
  outputs: ([x]) => [{ shape: (x as Tensor).shape }],
  kernel(recorder, [x, mean, variance, dy, weight, sums, products], [dx], attributes) {
    if (x && mean && variance && dy && weight && sums && products && dx)
      kernels.batchNormGradient(recorder, { x, mean, variance, dy, weight, sums, products, dx }, attributes);
  },
};

/** How `batchNorm` takes its statistics: from the batch in training, otherwise the running ones. */
export interface BatchNormOptions {
  readonly training: boolean;
  /** Share of the batch's statistics in the running ones, default 0.1. */
  readonly momentum?: number;
  /** Default 1e-5. */
  readonly eps?: number;
}

/**
 * y = (x − mean) / √(variance + eps) · weight + bias for each channel of x [N, C, H, W]: PyTorch's `nn.BatchNorm2d`.
 *
 * In training mean and biased variance are those of the batch, and a run moves the running statistics towards them (the
 * variance unbiased), once for every call recorded; otherwise the running statistics normalise. `x`, `weight` [C] and
 * `bias` [C] have gradients in both. Throws `ShapeError`, also for training on one element a channel.
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  runningMean: Variable,
  runningVar: Variable,
  { training, momentum = 0.1, eps = 1e-5 }: BatchNormOptions,
): Tensor {
  const inputs = [x, weight, bias, runningMean, runningVar];
  return record(training ? trainingOperation : operation, inputs, { training, momentum, eps })[0] as Tensor;
}
