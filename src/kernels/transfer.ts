/**
 * Extraction of the matched reference features, `shaders/transfer*.wgsl`. Forward: the weight of each pixel
 * (transfer_weight), then the sums of patches (transfer). Backward for the feature: a gather over the matches
 * (transfer_ref_gradient); for the score: a product a pixel (transfer_product), then the adjoint of the bilinear
 * enlargement (transfer_score_gradient).
 */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

export interface Transfer {
  /** i32 [N·blocks, ky, kx]: position in the block's window, without its rim, row by row. */
  readonly index: Operand;
  /** i32 [N, blocks]. */
  readonly originX: Operand;
  readonly originY: Operand;
  /** Blocks in a row of LR. */
  readonly px: number;
  /** Sides of a window in pixels of Ref↓, rim included. */
  readonly window: readonly [number, number];
  /** Pixels of the feature to one of Ref↓. */
  readonly scale: number;
}

type Sides = [number, number, number, number];

/** Channels that one thread of transfer.wgsl computes. */
const CHANNELS = 8;
const WORKGROUP = 64;
const GROUP_ROW = 32768;

/** y [N, C, scale·H, scale·W] ← feature [N, C, scale·Hr, scale·Wr], score [N·blocks, ky, kx]. */
export function transfer(recorder: Recorder, feature: Operand, score: Operand, y: Operand, matches: Transfer): void {
  const [N, C, SH, SW] = y.shape as Sides;
  const count = N * Math.ceil(C / CHANNELS) * SH * SW;
  recorder.dispatch({
    shader: "transfer",
    constants: { SCALE: `${matches.scale}u` },
    params: { count, ...params(feature, y, matches) },
    bindings: { feature, ...bindings(matches), weight: weights(recorder, score, y, matches), y },
    workgroups: flatGrid(count),
  });
}

/** dfeature ← dy, score. */
export function transferRefGradient(
  recorder: Recorder,
  dy: Operand,
  score: Operand,
  dfeature: Operand,
  matches: Transfer,
): void {
  const [N, C, H, W] = dfeature.shape as Sides;
  const { scale, window } = matches;
  const pixels = (N * H * W) / scale ** 2;
  recorder.dispatch({
    shader: "transfer_ref_gradient",
    constants: { SCALE: `${scale}u` },
    params: { pixels, ...params(dfeature, dy, matches), height: window[0], width: window[1] },
    bindings: { dy, ...bindings(matches), weight: weights(recorder, score, dy, matches), dfeature },
    workgroups: [Math.min(pixels, GROUP_ROW), Math.ceil(pixels / GROUP_ROW), Math.ceil((C * scale) / WORKGROUP)],
  });
}

/** dscore ← dy, feature. */
export function transferScoreGradient(
  recorder: Recorder,
  dy: Operand,
  feature: Operand,
  dscore: Operand,
  matches: Transfer,
): void {
  const [N, , SH, SW] = dy.shape as Sides;
  const constants = { SCALE: `${matches.scale}u` };
  const product = recorder.scratch("product", [N, SH, SW]);
  recorder.dispatch({
    shader: "transfer_product",
    constants,
    params: { count: N * SH * SW, ...params(feature, dy, matches) },
    bindings: { feature, ...bindings(matches), dy, product },
    workgroups: flatGrid(N * SH * SW),
  });
  recorder.dispatch({
    shader: "transfer_score_gradient",
    constants,
    params: { count: elements(dscore.shape), ...blockParams(dy, matches) },
    bindings: { product, dscore },
    workgroups: flatGrid(elements(dscore.shape)),
  });
}

/** attention / number of patches, [N, scale·H, scale·W]. */
function weights(recorder: Recorder, score: Operand, y: Operand, matches: Transfer): Operand {
  const [N, , SH, SW] = y.shape as Sides;
  const weight = recorder.scratch("weight", [N, SH, SW]);
  recorder.dispatch({
    shader: "transfer_weight",
    constants: { SCALE: `${matches.scale}u` },
    params: { count: N * SH * SW, ...blockParams(y, matches) },
    bindings: { score, weight },
    workgroups: flatGrid(N * SH * SW),
  });
  return weight;
}

function params(feature: Operand, y: Operand, matches: Transfer) {
  const [, C, H, W] = feature.shape as Sides;
  const { scale, window } = matches;
  return { C, Hr: H / scale, Wr: W / scale, ...blockParams(y, matches), columns: window[1] - 2 };
}

function blockParams({ shape }: Operand, { index, px, scale }: Transfer) {
  const [, , H, W] = shape as Sides;
  const [, ky, kx] = index.shape as [number, number, number];
  return { H: H / scale, W: W / scale, px, ky, kx };
}

function bindings({ index, originX, originY }: Transfer) {
  return { index, origin_x: originX, origin_y: originY };
}
