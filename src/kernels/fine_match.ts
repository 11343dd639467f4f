/**
 * Fine matching, `shaders/fine_match*.wgsl`: the best position of each LR pixel in its block's window (fine_match), or the
 * score of one that is given (fine_score). Backward, the coefficients of each match (fine_match_coefficients), then a
 * gather for LR (fine_match_lr_gradient) and, over lists of matches, one for the reference (fine_match_ref_gradient).
 */
import { LimitError } from "../gpu/errors.js";
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";
import { matchLists } from "./shared/match_lists.js";
import { patchSquares } from "./shared/patch_squares.js";

export interface FineMatch {
  /** [N, C, H, W]. */
  readonly lr: Operand;
  /** [N, C, Hr, Wr]. */
  readonly ref: Operand;
  /** i32 [N, py·px]: the window's corner in `ref`. */
  readonly originX: Operand;
  readonly originY: Operand;
  /** i32 [N·py·px, ky, kx]: position in the window without its rim, row by row. */
  readonly index: Operand;
  /** f32 [N·py·px, ky, kx]. */
  readonly score: Operand;
  readonly blocks: readonly [number, number];
  /** Sides of a window, rim included. */
  readonly window: readonly [number, number];
}

type Sides = [number, number, number, number];

/** Workgroup memory that every WebGPU device has, in words, and threads of a workgroup of fine_match.wgsl. */
const WORKGROUP_WORDS = 4096;
const THREADS = 256;
/** Displacements that a workgroup has products of at a time. */
const MOST_DISPLACEMENTS = 64;
const GROUP_ROW = 32768;
/** Pixels of a patch. */
const TAPS = 9;
/** Channels that one thread of the gradients computes. */
const CHANNELS = 4;

/** Writes `index` and `score`. */
export function fineMatch(recorder: Recorder, match: FineMatch): void {
  const { lr, ref, originX, originY, index, score, window } = match;
  const [count, ky, kx] = index.shape as [number, number, number];
  const parts = Math.max(1, Math.floor(THREADS / (ky * kx)));
  const room = (WORKGROUP_WORDS - 2 * parts * ky * kx) / ((ky + 2) * (kx + 2));
  const dx = Math.min(MOST_DISPLACEMENTS, 8 * Math.floor(room / 8));
  if (dx < 8) throw new LimitError(`fine_match: blocks of ${ky}×${kx} exceed workgroup memory`, "Use smaller blocks");
  const { C, H, W, Hr, Wr, px } = sizes(match);
  recorder.dispatch({
    shader: "fine_match",
    constants: { KY: `${ky}u`, KX: `${kx}u`, DX: `${dx}u`, PARTS: `${parts}u` },
    params: { count, C, H, W, Hr, Wr, px, height: window[0], width: window[1] },
    bindings: {
      lr,
      ref_map: ref,
      origin_x: originX,
      origin_y: originY,
      ...inverseNorms(recorder, match),
      index,
      score,
    },
    workgroups: [Math.min(count, GROUP_ROW), Math.ceil(count / GROUP_ROW), 1],
    flops: 2 * elements(index.shape) * (window[0] - 2) * (window[1] - 2) * TAPS * C,
    executed: 2 * count * C * (ky + 2) * (kx + 2) * window[0] * window[1],
  });
}

/** Writes `score` for the `index` that is given. */
export function fineScore(recorder: Recorder, match: FineMatch): void {
  const { lr, ref, originX, originY, index, score } = match;
  const count = elements(index.shape);
  recorder.dispatch({
    shader: "fine_score",
    params: { count, ...sizes(match) },
    bindings: {
      lr,
      ref_map: ref,
      origin_x: originX,
      origin_y: originY,
      ...inverseNorms(recorder, match),
      index,
      score,
    },
    workgroups: flatGrid(count),
  });
}

/** dlr ← dscore. */
export function fineMatchLrGradient(recorder: Recorder, match: FineMatch, dscore: Operand, dlr: Operand): void {
  const { lr, ref, originX, originY, index } = match;
  const [N, C, H, W] = lr.shape as Sides;
  const count = N * Math.ceil(C / CHANNELS) * H * W;
  recorder.dispatch({
    shader: "fine_match_lr_gradient",
    params: { count, pixels: N * H * W, ...sizes(match) },
    bindings: {
      ...{ lr, ref_map: ref, origin_x: originX, origin_y: originY, index },
      coefficients: coefficients(recorder, match, dscore),
      dlr,
    },
    workgroups: flatGrid(count),
  });
}

/** dref ← dscore. */
export function fineMatchRefGradient(recorder: Recorder, match: FineMatch, dscore: Operand, dref: Operand): void {
  const { lr, ref, blocks } = match;
  const [N, C, H, W] = lr.shape as Sides;
  const [, , Hr, Wr] = ref.shape as Sides;
  const count = N * Math.ceil(C / CHANNELS) * Hr * Wr;
  const { starts, lists } = matchLists(recorder, { ...match, px: blocks[1] }, [Hr, Wr]);
  recorder.dispatch({
    shader: "fine_match_ref_gradient",
    params: { count, pixels: N * H * W, targets: N * Hr * Wr, entries: elements(lists.shape), C, H, W, Hr, Wr },
    bindings: { lr, ref_map: ref, starts, lists, coefficients: coefficients(recorder, match, dscore), dref },
    workgroups: flatGrid(count),
  });
}

function sizes({ lr, ref, index, blocks, window }: FineMatch) {
  const [, C, H, W] = lr.shape as Sides;
  const [, , Hr, Wr] = ref.shape as Sides;
  const [, ky, kx] = index.shape as [number, number, number];
  return { C, H, W, Hr, Wr, px: blocks[1], ky, kx, columns: window[1] - 2 };
}

/** g·a·b, g·s·a² and g·s·b² of each LR pixel: [3, N, H, W]. */
function coefficients(recorder: Recorder, match: FineMatch, dscore: Operand): Operand {
  const { lr, originX, originY, index, score } = match;
  const [N, , H, W] = lr.shape as Sides;
  const written = recorder.scratch("coefficients", [3, N, H, W]);
  const { C: _, ...params } = sizes(match);
  recorder.dispatch({
    shader: "fine_match_coefficients",
    params: { count: N * H * W, ...params },
    bindings: {
      ...{ origin_x: originX, origin_y: originY, ...inverseNorms(recorder, match) },
      ...{ index, score, dscore, coefficients: written },
    },
    workgroups: flatGrid(N * H * W),
  });
  return written;
}

/** 1 / max(norm, 1e-12) of all patches: LR repeats its edge, the windows of the reference may wrap around. */
function inverseNorms(recorder: Recorder, { lr, ref }: FineMatch) {
  return {
    lr_inverse: inverseNorm(recorder, lr, "REPLICATE"),
    ref_inverse: inverseNorm(recorder, ref, "WRAP"),
  };
}

function inverseNorm(recorder: Recorder, x: Operand, border: "REPLICATE" | "WRAP"): Operand {
  const [N, , H, W] = x.shape as Sides;
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
