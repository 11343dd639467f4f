/** Fine matching (MASA-SR, section 3.2): for each pixel of an LR block the most similar position of the block's window. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/fine_match.js";
import { nchw, type Shape } from "../../kernels/kernel.js";
import { record } from "../trace/graph.js";
import type { Gradients, Operation, Tensor, Tensors } from "../trace/tensor.js";

/** What `fineMatch` compares. */
export interface FineMatchInputs {
  /** [N, C, H, W]. */
  readonly lr: Tensor;
  /** The downscaled reference, [N, C, Hr, Wr]. */
  readonly ref: Tensor;
  /** i32 [N, py·px]: the window's corner in `ref`; below 0 it wraps around. */
  readonly originX: Tensor;
  readonly originY: Tensor;
  /** Positions from outside, i32 [N·py·px, ky, kx]: they are scored instead of searched. */
  readonly index?: Tensor | undefined;
}

/** How `fineMatch` divides LR, and how far it searches. */
export interface FineMatchOptions {
  /** Blocks of LR: [py, px]; they divide its sides. */
  readonly blocks: readonly [number, number];
  /** Sides of a window, rim included. */
  readonly window: readonly [number, number];
}

const NAME = "fine_match";

/**
 * `index` i32 and `score` f32, both [N·py·px, ky, kx]: for each pixel of each block the position in the block's window,
 * row by row without the window's rim, whose 3×3 patch has the largest cosine with the pixel's own, and that cosine
 * (torch.nn.functional.normalize: a norm below 1e-12 counts as 1e-12).
 *
 * The lowest of equally good positions is taken. The score has a gradient for `lr` and `ref` through the chosen pair; the
 * choice has none. Throws `ShapeError`.
 */
export function fineMatch(
  { lr, ref, originX, originY, index }: FineMatchInputs,
  options: FineMatchOptions,
): { index: Tensor; score: Tensor } {
  const inputs = { lr, ref, originX, originY };
  if (!index) return record(operation, inputs, options);
  return { index, score: record(scoreOperation, { ...inputs, index }, options).score };
}

type Inputs = Tensors<"lr" | "ref" | "originX" | "originY">;
type Saved = Inputs & Tensors<"index" | "score" | "dscore">;

const operation: Operation<Inputs, Tensors<"index" | "score">, FineMatchOptions> = {
  name: NAME,
  outputs: (inputs, options) => {
    const shape = outputShape(inputs, options);
    return { index: { shape, dtype: "i32" }, score: { shape } };
  },
  kernel: kernels.fineMatch,
  gradient({ inputs, outputs: { index, score }, dys: { score: dscore }, attributes, needs }) {
    return dscore ? gradients({ ...inputs, index, score, dscore }, attributes, needs) : {};
  },
};

const scoreOperation: Operation<Inputs & Tensors<"index">, Tensors<"score">, FineMatchOptions> = {
  name: "fine_score",
  outputs: (inputs, options) => ({ score: { shape: outputShape(inputs, options) } }),
  kernel: kernels.fineScore,
  gradient({ inputs, outputs: { score }, dys: { score: dscore }, attributes, needs }) {
    return gradients({ ...inputs, score, dscore }, attributes, needs);
  },
};

function gradients(saved: Saved, options: FineMatchOptions, needs: (name: "lr" | "ref") => boolean): Gradients<Inputs> {
  const { lr, ref } = saved;
  return {
    lr: needs("lr") ? record(lrGradient, saved, { ...options, shape: lr.shape }).dlr : undefined,
    ref: needs("ref") ? record(refGradient, saved, { ...options, shape: ref.shape }).dref : undefined,
  };
}

type GradientOptions = FineMatchOptions & { readonly shape: Shape };

const lrGradient: Operation<Saved, Tensors<"dlr">, GradientOptions> = {
  name: "fine_match_lr_gradient",
  outputs: (_, { shape }) => ({ dlr: { shape } }),
  kernel: kernels.fineMatchLrGradient,
};

const refGradient: Operation<Saved, Tensors<"dref">, GradientOptions> = {
  name: "fine_match_ref_gradient",
  outputs: (_, { shape }) => ({ dref: { shape } }),
  kernel: kernels.fineMatchRefGradient,
};

function outputShape(
  { lr, ref, originX, originY, index }: Inputs & Tensors<never, "index">,
  { blocks: [py, px], window }: FineMatchOptions,
): Shape {
  for (const [name, tensor] of Object.entries({ lr, ref })) {
    if (tensor.shape.length !== 4) throw new ShapeError(NAME, name, `has shape [${tensor.shape}], not [N, C, H, W]`);
  }
  const [N, C, H, W] = nchw(lr);
  if (ref.shape[0] !== N || ref.shape[1] !== C)
    throw new ShapeError(NAME, "ref", `has shape [${ref.shape}]; N and C must be those of lr [${lr.shape}]`);
  if (!Number.isInteger(H / py) || !Number.isInteger(W / px))
    throw new ShapeError(NAME, "blocks", `[${py}, ${px}] do not divide lr [${lr.shape}]`);
  for (const [name, origin] of Object.entries({ originX, originY })) {
    if (origin.dtype !== "i32" || origin.shape.join() !== [N, py * px].join())
      throw new ShapeError(NAME, name, `is ${origin.dtype} [${origin.shape}]; i32 [${N}, ${py * px}] is wanted`);
  }
  if (window.some((side, axis) => side < 3 || side > 2 * (ref.shape[2 + axis] as number)))
    throw new ShapeError(NAME, "window", `[${window}] does not fit ref [${ref.shape}]`);
  const shape = [N * py * px, H / py, W / px];
  if (index && (index.dtype !== "i32" || index.shape.join() !== shape.join()))
    throw new ShapeError(NAME, "index", `is ${index.dtype} [${index.shape}]; i32 [${shape}] is wanted`);
  return shape;
}
