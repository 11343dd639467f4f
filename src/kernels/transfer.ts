/**
 * Extraction of the matched reference features, `shaders/transfer*.wgsl`. Forward: the weight of each pixel
 * (transfer_weight), then the sums of patches (transfer). Backward for the feature: the same as sums over lists of
 * matches (transfer_ref_gradient); for the score: a product a pixel (transfer_product), then the adjoint of the bilinear
 * enlargement (transfer_score_gradient).
 */
import { elements, flatGrid, nchw, type Operand, type Operands, type Recorder } from "./kernel.js";
import { type Matches, matchLists } from "./shared/match_lists.js";

export interface TransferAttributes {
  /** Blocks of LR: [py, px]. */
  readonly blocks: readonly [number, number];
  /** Dimensions of a window in pixels of Ref↓, rim included. */
  readonly window: readonly [number, number];
  /** Pixels of the feature to one of Ref↓. */
  readonly scale: number;
}

/** Channels that one thread of transfer.wgsl and of transfer_ref_gradient.wgsl computes. */
const CHANNELS = 8;
const GRADIENT_CHANNELS = 4;

/** y [N, C, scale·H, scale·W] ← feature [N, C, scale·Hr, scale·Wr], score [N·blocks, ky, kx]. */
export function transfer(
  recorder: Recorder,
  { feature, score, ...matches }: Matches & Operands<"feature" | "score">,
  { y }: Operands<"y">,
  attributes: TransferAttributes,
): void {
  const [N, C, SH, SW] = nchw(y);
  const count = N * Math.ceil(C / CHANNELS) * SH * SW;
  const block = blockParams(y, matches, attributes);
  const weight = weights(recorder, score, y, block, attributes);
  recorder.dispatch({
    shader: "transfer",
    constants: scaled(attributes),
    params: { count, ...featureParams(feature, attributes), ...block },
    bindings: { feature, ...bindings(matches), weight, y },
    workgroups: flatGrid(count),
  });
}

/** dfeature ← dy, score. */
export function transferRefGradient(
  recorder: Recorder,
  { dy, score, ...matches }: Matches & Operands<"dy" | "score">,
  { dfeature }: Operands<"dfeature">,
  attributes: TransferAttributes,
): void {
  const { blocks, scale, window } = attributes;
  const [N, C, SHr, SWr] = nchw(dfeature);
  const [Hr, Wr] = [SHr / scale, SWr / scale];
  const [, , SH, SW] = nchw(dy);
  const count = N * Math.ceil(C / GRADIENT_CHANNELS) * SHr * Wr;
  const weight = weights(recorder, score, dy, blockParams(dy, matches, attributes), attributes);
  const { starts, lists } = matchLists(recorder, matches, { px: blocks[1], window, size: [Hr, Wr] });
  recorder.dispatch({
    shader: "transfer_ref_gradient",
    constants: scaled(attributes),
    params: { count, C, H: SH / scale, W: SW / scale, Hr, Wr, pixels: N * Hr * Wr, entries: elements(lists.shape) },
    bindings: { dy, weight, starts, lists, dfeature },
    workgroups: flatGrid(count),
  });
}

/** dscore ← dy, feature. */
export function transferScoreGradient(
  recorder: Recorder,
  { dy, feature, ...matches }: Matches & Operands<"dy" | "feature">,
  { dscore }: Operands<"dscore">,
  attributes: TransferAttributes,
): void {
  const [N, , SH, SW] = nchw(dy);
  const block = blockParams(dy, matches, attributes);
  const product = recorder.scratch("product", [N, SH, SW]);
  recorder.dispatch({
    shader: "transfer_product",
    constants: scaled(attributes),
    params: { count: N * SH * SW, ...featureParams(feature, attributes), ...block },
    bindings: { feature, ...bindings(matches), dy, product },
    workgroups: flatGrid(N * SH * SW),
  });
  recorder.dispatch({
    shader: "transfer_score_gradient",
    constants: scaled(attributes),
    params: { count: elements(dscore.shape), ...block },
    bindings: { product, dscore },
    workgroups: flatGrid(elements(dscore.shape)),
  });
}

/** attention / number of patches, [N, scale·H, scale·W]. */
function weights(
  recorder: Recorder,
  score: Operand,
  y: Operand,
  block: ReturnType<typeof blockParams>,
  attributes: TransferAttributes,
): Operand {
  const [N, , SH, SW] = nchw(y);
  const weight = recorder.scratch("weight", [N, SH, SW]);
  recorder.dispatch({
    shader: "transfer_weight",
    constants: scaled(attributes),
    params: { count: N * SH * SW, ...block },
    bindings: { score, weight },
    workgroups: flatGrid(N * SH * SW),
  });
  return weight;
}

function scaled({ scale }: TransferAttributes) {
  return { SCALE: scale };
}

function featureParams(feature: Operand, { scale, window }: TransferAttributes) {
  const [, C, SHr, SWr] = nchw(feature);
  return { C, Hr: SHr / scale, Wr: SWr / scale, columns: window[1] - 2 };
}

function blockParams(y: Operand, { index }: Matches, { blocks, scale }: TransferAttributes) {
  const [, , SH, SW] = nchw(y);
  const [, ky, kx] = index.shape as [number, number, number];
  return { H: SH / scale, W: SW / scale, px: blocks[1], ky, kx };
}

function bindings({ index, originX, originY }: Matches) {
  return { index, origin_x: originX, origin_y: originY };
}
