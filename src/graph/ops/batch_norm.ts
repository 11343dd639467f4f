/** Batch normalisation (Ioffe, Szegedy 2015) with running statistics, as the discriminator uses it. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/batch_norm.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors, Variable } from "../trace/tensor.js";

type Attributes = kernels.BatchNormAttributes;
type Inputs = Tensors<"x" | "weight" | "bias" | "runningMean" | "runningVar">;

/** In training the mean and variance of the batch are outputs too. */
const operation: Operation<Inputs, Tensors<"y", "mean" | "variance">, Attributes> = {
  name: "batch_norm",
  outputs({ x, ...vectors }, { training }) {
    const { name, shape } = x;
    const [N = 0, C = 0, H = 0, W = 0] = shape;
    if (shape.length !== 4) throw new ShapeError("batch_norm", name, `has shape [${shape}], not [N, C, H, W]`);
    for (const vector of Object.values(vectors))
      if (vector.shape.join() !== `${C}`)
        throw new ShapeError("batch_norm", vector.name, `has shape [${vector.shape}], not [${C}]`);
    if (training && N * H * W < 2)
      throw new ShapeError("batch_norm", name, `has shape [${shape}]; training needs two elements a channel`);
    return training ? { y: { shape }, mean: { shape: [C] }, variance: { shape: [C] } } : { y: { shape } };
  },
  kernel: kernels.batchNorm,
  gradient({ inputs, outputs, attributes, dys: { y: dy } }) {
    if (!dy) return {};
    const { x, weight, runningMean, runningVar } = inputs;
    const saved = { x, mean: outputs.mean ?? runningMean, variance: outputs.variance ?? runningVar, dy };
    const { sums, products } = record(sumsOperation, saved, attributes);
    const { dx } = record(gradientOperation, { ...saved, weight, sums, products }, attributes);
    return { x: dx, weight: products, bias: sums };
  },
};

/** In training the running statistics are written to. */
const trainingOperation: typeof operation = { ...operation, updates: ["runningMean", "runningVar"] };

type Saved = "x" | "mean" | "variance" | "dy";

const sumsOperation: Operation<Tensors<Saved>, Tensors<"sums" | "products">, Attributes> = {
  name: "batch_norm_sums",
  outputs: ({ mean: { shape } }) => ({ sums: { shape }, products: { shape } }),
  kernel: kernels.batchNormSums,
};

const gradientOperation: Operation<Tensors<Saved | "weight" | "sums" | "products">, Tensors<"dx">, Attributes> = {
  name: "batch_norm_gradient",
  outputs: ({ x: { shape } }) => ({ dx: { shape } }),
  kernel: kernels.batchNormGradient,
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
  const inputs = { x, weight, bias, runningMean, runningVar };
  return record(training ? trainingOperation : operation, inputs, { training, momentum, eps }).y;
}
