/**
 * Fine matching, `shaders/fine_match*.wgsl`: the best position of each LR pixel in its block's window (fine_match), or the
 * score of one that is given (fine_score). Backward, the coefficients of each match (fine_match_coefficients), then a
 * gather for LR (fine_match_lr_gradient) and, over lists of matches, one for the reference (fine_match_ref_gradient).
 */
import { LimitError } from "../gpu/errors.js";
import { elements, flatGrid, nchw, type Operand, type Operands, type Recorder, rowOfGroups } from "./kernel.js";
import { matchLists } from "./shared/match_lists.js";
import { patchSquares } from "./shared/patch_squares.js";

export interface FineMatchAttributes {
  /** Blocks of LR: [py, px]. */
  readonly blocks: readonly [number, number];
  /** Dimensions of a window, rim included. */
  readonly window: readonly [number, number];
}

/** lr [N, C, H, W], ref [N, C, Hr, Wr], and the windows' corners in `ref`, i32 [N, py·px]. */
export type FineMatchInputs = Operands<"lr" | "ref" | "originX" | "originY">;

/** Also the position of each LR pixel in the window without its rim, row by row, i32 [N·py·px, ky, kx], and its score. */
type Saved = FineMatchInputs & Operands<"index" | "score" | "dscore">;

/** Workgroup memory that every WebGPU device has, in words, and threads of a workgroup of fine_match.wgsl. */
const WORKGROUP_WORDS = 4096;
const THREADS = 256;
/** Displacements that a workgroup has products of at a time. */
const MOST_DISPLACEMENTS = 64;
/** Pixels of a patch. */
const TAPS = 9;
/** Channels that one thread of the gradients computes. */
const CHANNELS = 4;

/** Writes `index` and `score`. */
export function fineMatch(
  recorder: Recorder,
  inputs: FineMatchInputs,
  { index, score }: Operands<"index" | "score">,
  attributes: FineMatchAttributes,
): void {
  const { lr, ref, originX, originY } = inputs;
  const { window } = attributes;
  const [count, ky, kx] = index.shape as [number, number, number];
  const parts = Math.max(1, Math.floor(THREADS / (ky * kx)));
  const room = (WORKGROUP_WORDS - 2 * parts * ky * kx) / ((ky + 2) * (kx + 2));
  const dx = Math.min(MOST_DISPLACEMENTS, 8 * Math.floor(room / 8));
  if (dx < 8) throw new LimitError(`fine_match: blocks of ${ky}×${kx} exceed workgroup memory`, "Use smaller blocks");
  const { C, H, W, Hr, Wr, px } = sizes({ ...inputs, index }, attributes);
  recorder.dispatch({
    shader: "fine_match",
    constants: { KY: ky, KX: kx, DX: dx, PARTS: parts },
    params: { count, C, H, W, Hr, Wr, px, height: window[0], width: window[1] },
    bindings: {
      lr,
      ref_map: ref,
      origin_x: originX,
      origin_y: originY,
      ...inverseNorms(recorder, inputs),
      index,
      score,
    },
    workgroups: rowOfGroups(count),
    flops: 2 * elements(index.shape) * (window[0] - 2) * (window[1] - 2) * TAPS * C,
    executed: 2 * count * C * (ky + 2) * (kx + 2) * window[0] * window[1],
  });
}

/** Writes `score` for the `index` that is given. */
export function fineScore(
  recorder: Recorder,
  inputs: FineMatchInputs & Operands<"index">,
  { score }: Operands<"score">,
  attributes: FineMatchAttributes,
): void {
  const { lr, ref, originX, originY, index } = inputs;
  const count = elements(index.shape);
  recorder.dispatch({
    shader: "fine_score",
    params: { count, ...sizes(inputs, attributes) },
    bindings: {
      lr,
      ref_map: ref,
      origin_x: originX,
      origin_y: originY,
      ...inverseNorms(recorder, inputs),
      index,
      score,
    },
    workgroups: flatGrid(count),
  });
}

/** dlr ← dscore. */
export function fineMatchLrGradient(
  recorder: Recorder,
  saved: Saved,
  { dlr }: Operands<"dlr">,
  attributes: FineMatchAttributes,
): void {
  const { lr, ref, originX, originY, index } = saved;
  const [N, C, H, W] = nchw(lr);
  const count = N * Math.ceil(C / CHANNELS) * H * W;
  recorder.dispatch({
    shader: "fine_match_lr_gradient",
    params: { count, pixels: N * H * W, ...sizes(saved, attributes) },
    bindings: {
      ...{ lr, ref_map: ref, origin_x: originX, origin_y: originY, index },
      coefficients: coefficients(recorder, saved, attributes),
      dlr,
    },
    workgroups: flatGrid(count),
  });
}

/** dref ← dscore. */
export function fineMatchRefGradient(
  recorder: Recorder,
  saved: Saved,
  { dref }: Operands<"dref">,
  attributes: FineMatchAttributes,
): void {
  const { lr, ref } = saved;
  const { blocks, window } = attributes;
  const [N, C, H, W] = nchw(lr);
  const [, , Hr, Wr] = nchw(ref);
  const count = N * Math.ceil(C / CHANNELS) * Hr * Wr;
  const { starts, lists } = matchLists(recorder, saved, { px: blocks[1], window, size: [Hr, Wr] });
  recorder.dispatch({
    shader: "fine_match_ref_gradient",
    params: { count, pixels: N * H * W, targets: N * Hr * Wr, entries: elements(lists.shape), C, H, W, Hr, Wr },
    bindings: { lr, ref_map: ref, starts, lists, coefficients: coefficients(recorder, saved, attributes), dref },
    workgroups: flatGrid(count),
  });
}

function sizes({ lr, ref, index }: Operands<"lr" | "ref" | "index">, { blocks, window }: FineMatchAttributes) {
  const [, C, H, W] = nchw(lr);
  const [, , Hr, Wr] = nchw(ref);
  const [, ky, kx] = index.shape as [number, number, number];
  return { C, H, W, Hr, Wr, px: blocks[1], ky, kx, columns: window[1] - 2 };
}

/** g·a·b, g·s·a² and g·s·b² of each LR pixel: [3, N, H, W]. */
function coefficients(recorder: Recorder, saved: Saved, attributes: FineMatchAttributes): Operand {
  const { lr, originX, originY, index, score, dscore } = saved;
  const [N, , H, W] = nchw(lr);
  const written = recorder.scratch("coefficients", [3, N, H, W]);
  const { C: _, ...params } = sizes(saved, attributes);
  recorder.dispatch({
    shader: "fine_match_coefficients",
    params: { count: N * H * W, ...params },
    bindings: {
      ...{ origin_x: originX, origin_y: originY, ...inverseNorms(recorder, saved) },
      ...{ index, score, dscore, coefficients: written },
    },
    workgroups: flatGrid(N * H * W),
  });
  return written;
}

/** 1 / max(norm, 1e-12) of all patches: LR repeats its edge, the windows of the reference may wrap around. */
function inverseNorms(recorder: Recorder, { lr, ref }: Operands<"lr" | "ref">) {
  return {
    lr_inverse: inverseNorm(recorder, lr, "REPLICATE"),
    ref_inverse: inverseNorm(recorder, ref, "WRAP"),
  };
}

function inverseNorm(recorder: Recorder, x: Operand, border: "REPLICATE" | "WRAP"): Operand {
  const [N, , H, W] = nchw(x);
  const count = N * H * W;
  const y = recorder.scratch(`inverse norms of ${x.name}`, [N, H, W]);
  recorder.dispatch({
    shader: "patch_inverse_norms",
    constants: { BORDER: border },
    params: { count, H, W },
    bindings: { squares: patchSquares(recorder, x), y },
    workgroups: flatGrid(count),
  });
  return y;
}
