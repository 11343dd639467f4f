/**
 * Extraction of the matched reference features, `shaders/transfer*.wgsl`. Forward: the weight of each pixel
 * (transfer_weight), then the sums of patches (transfer). Backward for the feature: the same as sums over lists of
 * matches (transfer_ref_gradient); for the score: a product a pixel (transfer_product), then the adjoint of the bilinear
 * enlargement (transfer_score_gradient).
 */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";
import { type Matches, matchLists } from "./shared/match_lists.js";

export interface Transfer extends Matches {
  /** Pixels of the feature to one of Ref↓. */
  readonly scale: number;
}

type Sides = [number, number, number, number];

/** Channels that one thread of transfer.wgsl and of transfer_ref_gradient.wgsl computes. */
const CHANNELS = 8;
const GRADIENT_CHANNELS = 4;

/** y [N, C, scale·H, scale·W] ← feature [N, C, scale·Hr, scale·Wr], score [N·blocks, ky, kx]. */
export function transfer(recorder: Recorder, feature: Operand, score: Operand, y: Operand, matches: Transfer): void {
  const [N, C, SH, SW] = y.shape as Sides;
  const count = N * Math.ceil(C / CHANNELS) * SH * SW;
  const weight = weights(recorder, score, y, matches);
  recorder.dispatch({
    shader: "transfer",
    constants: scaled(matches),
    params: { count, ...params(feature, y, matches) },
    bindings: { feature, ...bindings(matches), weight, y },
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
  const { scale } = matches;
  const [N, C, SHr, SWr] = dfeature.shape as Sides;
  const [Hr, Wr] = [SHr / scale, SWr / scale];
  const [, , SH, SW] = dy.shape as Sides;
  const count = N * Math.ceil(C / GRADIENT_CHANNELS) * SHr * Wr;
  const weight = weights(recorder, score, dy, matches);
  const { starts, lists } = matchLists(recorder, matches, [Hr, Wr]);
  recorder.dispatch({
    shader: "transfer_ref_gradient",
    constants: scaled(matches),
    params: { count, C, H: SH / scale, W: SW / scale, Hr, Wr, pixels: N * Hr * Wr, entries: elements(lists.shape) },
    bindings: { dy, weight, starts, lists, dfeature },
    workgroups: flatGrid(count),
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
  const product = recorder.scratch("product", [N, SH, SW]);
  recorder.dispatch({
    shader: "transfer_product",
    constants: scaled(matches),
    params: { count: N * SH * SW, ...params(feature, dy, matches) },
    bindings: { feature, ...bindings(matches), dy, product },
    workgroups: flatGrid(N * SH * SW),
  });
  recorder.dispatch({
    shader: "transfer_score_gradient",
    constants: scaled(matches),
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
    constants: scaled(matches),
    params: { count: N * SH * SW, ...blockParams(y, matches) },
    bindings: { score, weight },
    workgroups: flatGrid(N * SH * SW),
  });
  return weight;
}

function scaled({ scale }: Transfer) {
  return { SCALE: `${scale}u` };
}

function params(feature: Operand, y: Operand, matches: Transfer) {
  const [, C, SHr, SWr] = feature.shape as Sides;
  const { scale, window } = matches;
  return { C, Hr: SHr / scale, Wr: SWr / scale, ...blockParams(y, matches), columns: window[1] - 2 };
}

function blockParams({ shape }: Operand, { index, px, scale }: Transfer) {
  const [, , SH, SW] = shape as Sides;
  const [, ky, kx] = index.shape as [number, number, number];
  return { H: SH / scale, W: SW / scale, px, ky, kx };
}

function bindings({ index, originX, originY }: Transfer) {
  return { index, origin_x: originX, origin_y: originY };
}
