/** Extraction: the matched features of the reference, put where LR needs them (MASA-SR, section 3.2). */
import { ShapeError } from "../../gpu/errors.js";
import type { Shape } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/transfer.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

/** What `transfer` carries over, and where to. */
export interface TransferInputs {
  /** [N, C, scale·Hr, scale·Wr]. */
  readonly feature: Tensor;
  /** i32 [N·blocks, ky, kx]: the best position in the block's window without its rim, row by row. */
  readonly index: Tensor;
  /** f32 [N·blocks, ky, kx]: the attention. */
  readonly score: Tensor;
  /** i32 [N, blocks]: the window's corner in the downscaled reference [Hr, Wr]. */
  readonly originX: Tensor;
  readonly originY: Tensor;
}

/** How the inputs of `transfer` were matched. */
export interface TransferOptions {
  /** Blocks of LR: [py, px]. */
  readonly blocks: readonly [number, number];
  /** Sides of a window in pixels of the downscaled reference, rim included. */
  readonly window: readonly [number, number];
  /** Pixels of the feature to one of the downscaled reference: 1, 2 or 4. */
  readonly scale: number;
}

const NAME = "transfer";

/**
 * The features of the reference as LR's pixels matched them: [N, C, scale·py·ky, scale·px·kx].
 *
 * In each block it equals fold(gather(unfold(window, 3·scale, stride scale), index), padding scale) / fold(1) ·
 * bilinear(score), but nothing unfolded is written: a pixel is the mean of the pixels that the up to nine patches around
 * it lay there. Gradients for `feature` and `score`, none for the choice. Throws `ShapeError`.
 */
export function transfer(
  { feature, index, score, originX, originY }: TransferInputs,
  options: TransferOptions,
): Tensor {
  return record(operation, { feature, score, index, originX, originY }, options).y;
}

type Matches = Tensors<"index" | "originX" | "originY">;
type Inputs = Matches & Tensors<"feature" | "score">;

const operation: Operation<Inputs, Tensors<"y">, TransferOptions> = {
  name: NAME,
  f16: { inputs: ["feature"], outputs: ["y"] },
  outputs: (inputs, options) => ({ y: { shape: outputShape(inputs, options) } }),
  kernel: kernels.transfer,
  gradient({ inputs: { feature, score, ...matches }, attributes, dys: { y: dy }, needs }) {
    return {
      feature: needs("feature")
        ? record(refGradient, { dy, score, ...matches }, { ...attributes, shape: feature.shape }).dfeature
        : undefined,
      score: needs("score")
        ? record(scoreGradient, { dy, feature, ...matches }, { ...attributes, shape: score.shape }).dscore
        : undefined,
    };
  },
};

type GradientOptions = TransferOptions & { readonly shape: Shape };

const refGradient: Operation<Matches & Tensors<"dy" | "score">, Tensors<"dfeature">, GradientOptions> = {
  name: "transfer_ref_gradient",
  outputs: (_, { shape }) => ({ dfeature: { shape } }),
  kernel: kernels.transferRefGradient,
};

const scoreGradient: Operation<Matches & Tensors<"dy" | "feature">, Tensors<"dscore">, GradientOptions> = {
  name: "transfer_score_gradient",
  outputs: (_, { shape }) => ({ dscore: { shape } }),
  kernel: kernels.transferScoreGradient,
};

function outputShape(
  { feature, score, index, originX, originY }: Inputs,
  { blocks, window, scale }: TransferOptions,
): Shape {
  if (feature.shape.length !== 4 || !feature.shape.slice(2).every((side) => Number.isInteger(side / scale)))
    throw new ShapeError(NAME, "feature", `has shape [${feature.shape}]; [N, C, ${scale}·Hr, ${scale}·Wr] is wanted`);
  const [N, C] = feature.shape as [number, number];
  const [py, px] = blocks;
  const [, ky, kx] = index.shape as [number, number, number];
  if (index.dtype !== "i32" || index.shape.length !== 3 || index.shape[0] !== N * py * px)
    throw new ShapeError(NAME, "index", `is ${index.dtype} [${index.shape}]; i32 [${N * py * px}, ky, kx] is wanted`);
  if (score.dtype !== "f32" || score.shape.join() !== index.shape.join())
    throw new ShapeError(NAME, "score", `is ${score.dtype} [${score.shape}], the index has shape [${index.shape}]`);
  for (const [name, origin] of Object.entries({ originX, originY })) {
    if (origin.dtype !== "i32" || origin.shape.join() !== [N, py * px].join())
      throw new ShapeError(NAME, name, `is ${origin.dtype} [${origin.shape}]; i32 [${N}, ${py * px}] is wanted`);
  }
  if (window.some((side, axis) => side < 3 || side > (2 * (feature.shape[2 + axis] as number)) / scale))
    throw new ShapeError(NAME, "window", `[${window}] does not fit feature [${feature.shape}] of scale ${scale}`);
  return [N, C, scale * py * ky, scale * px * kx];
}
