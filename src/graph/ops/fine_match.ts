/** Fine matching (MASA-SR, section 3.2): for each pixel of an LR block the most similar position of the block's window. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/fine_match.js";
import type { Operand, Shape } from "../../kernels/kernel.js";
import { type GradientContext, type Operation, record, recordOne, type Tensor } from "../trace/tensor.js";

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
  if (index) return { index, score: recordOne(scoreOperation, [lr, ref, originX, originY, index], options) };
  const [found, score] = record(operation, [lr, ref, originX, originY], options) as [Tensor, Tensor];
  return { index: found, score };
}

const operation: Operation<FineMatchOptions> = {
  name: NAME,
  outputs: (inputs, options) => {
    const shape = outputShape(inputs as Tensor[], options);
    return [{ shape, dtype: "i32" }, { shape }];
  },
  kernel: (recorder, inputs, [index, score], options) => {
    if (index && score) kernels.fineMatch(recorder, operands([...inputs, index, score], options));
  },
  gradient: (context) => gradients(context, context.outputs[0], context.outputs[1], context.dys[1]),
};

const scoreOperation: Operation<FineMatchOptions> = {
  name: "fine_score",
  outputs: (inputs, options) => [{ shape: outputShape(inputs as Tensor[], options) }],
  kernel: (recorder, inputs, [score], options) => {
    if (score) kernels.fineScore(recorder, operands([...inputs, score], options));
  },
  gradient: (context) => gradients(context, context.inputs[4], context.outputs[0], context.dys[0]),
};

function gradients(
  { inputs, attributes, needs }: GradientContext<FineMatchOptions>,
  index: Tensor | undefined,
  score: Tensor | undefined,
  dscore: Tensor | undefined,
) {
  if (!dscore) return [];
  const all = [...inputs.slice(0, 4), index, score, dscore];
  const shape = (i: number) => (inputs[i] as Tensor).shape;
  return [
    needs(0) ? recordOne(lrGradient, all, { ...attributes, shape: shape(0) }) : undefined,
    needs(1) ? recordOne(refGradient, all, { ...attributes, shape: shape(1) }) : undefined,
  ];
}

type GradientOptions = FineMatchOptions & { readonly shape: Shape };

const lrGradient: Operation<GradientOptions> = {
  name: "fine_match_lr_gradient",
  outputs: (_, { shape }) => [{ shape }],
  kernel: (recorder, inputs, [dlr], options) => {
    const dscore = inputs[6];
    if (dscore && dlr) kernels.fineMatchLrGradient(recorder, operands(inputs, options), dscore, dlr);
  },
};

const refGradient: Operation<GradientOptions> = {
  name: "fine_match_ref_gradient",
  outputs: (_, { shape }) => [{ shape }],
  kernel: (recorder, inputs, [dref], options) => {
    const dscore = inputs[6];
    if (dscore && dref) kernels.fineMatchRefGradient(recorder, operands(inputs, options), dscore, dref);
  },
};

function operands(inputs: readonly (Operand | undefined)[], { blocks, window }: FineMatchOptions): kernels.FineMatch {
  const [lr, ref, originX, originY, index, score] = inputs as Operand[] as [
    Operand,
    Operand,
    Operand,
    Operand,
    Operand,
    Operand,
  ];
  return { lr, ref, originX, originY, index, score, blocks, window };
}

function outputShape(inputs: readonly Tensor[], { blocks: [py, px], window }: FineMatchOptions): Shape {
  const [lr, ref, originX, originY, index] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor?];
  for (const [name, tensor] of Object.entries({ lr, ref })) {
    if (tensor.shape.length !== 4) throw new ShapeError(NAME, name, `has shape [${tensor.shape}], not [N, C, H, W]`);
  }
  const [N, C, H, W] = lr.shape as [number, number, number, number];
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
