/**
 * Matching and extraction word for word as the paper (section 3.2) and the official code have them: unfold, normalise,
 * multiply, take the best, gather, fold, divide. Every step is a tensor, so it needs far more memory than the fused
 * operations, whose check it is: both must find the same.
 */
import { bilinearResize } from "../graph/ops/bilinear.js";
import { concat } from "../graph/ops/concat.js";
import { cropWindows } from "../graph/ops/crop_windows.js";
import { fold } from "../graph/ops/fold.js";
import { gather } from "../graph/ops/gather.js";
import { matmul } from "../graph/ops/matmul.js";
import { normalize } from "../graph/ops/normalize.js";
import { permute } from "../graph/ops/permute.js";
import { add, div, fill, mul } from "../graph/ops/pointwise.js";
import { sum } from "../graph/ops/reduce.js";
import { replicatePad } from "../graph/ops/replicate_pad.js";
import { slice } from "../graph/ops/slice.js";
import { top1 } from "../graph/ops/top1.js";
import { unfold } from "../graph/ops/unfold.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { reshape } from "../graph/trace/view.js";
import { PATCH } from "./config.js";
import type { MatchGeometry } from "./geometry.js";

/** A choice and its score, both with a last side of 1: the one best neighbour. */
export interface Found {
  readonly index: Tensor;
  readonly score: Tensor;
}

type Four = [number, number, number, number];
type Five = [number, number, number, number, number];

/**
 * The blocks of a map [N, C, H, W], each with a rim of one pixel of its surroundings, which outside the map repeat its
 * edge: [N, py·px, C, ky + 2, kx + 2].
 */
export function blockPatches(lr: Tensor, { blocks: [py, px], block: [ky, kx] }: MatchGeometry): Tensor {
  const [N, C] = lr.shape as Four;
  const padded = replicatePad(lr, [1, 1, 1, 1]);
  const columns = unfold(padded, { kernel: [ky + 2, kx + 2], stride: [ky, kx] });
  return reshape(permute(columns, [0, 2, 1]), [N, py * px, C, ky + 2, kx + 2]);
}

/** The sums of cosines that `search` chooses by: [N, P, Hr·Wr]. */
export function coarseSimilarity(lrPatches: Tensor, reflr: Tensor, dilations: readonly number[]): Tensor {
  const [N, P, C, h, w] = lrPatches.shape as Five;
  const [y, x] = [Math.floor(h / 2), Math.floor(w / 2)];
  const patches = reshape(lrPatches, [N * P, C, h, w]);
  const similarities = dilations.map((dilation) => {
    const around = slice(slice(patches, 2, y - dilation, y + dilation + 1), 3, x - dilation, x + dilation + 1);
    const query = reshape(unfold(around, { kernel: PATCH, dilation }), [N, P, C * PATCH * PATCH]);
    const candidates = unfold(reflr, { kernel: PATCH, padding: dilation, dilation });
    return matmul(normalize(query, 2), normalize(candidates, 1));
  });
  return similarities.reduce(add);
}

/** `search` of the official code: lrPatches [N, P, C, h, w], reflr [N, C, Hr, Wr] → [N, P, 1]. */
export function search(lrPatches: Tensor, reflr: Tensor, dilations: readonly number[]): Found {
  const { values, indices } = top1(coarseSimilarity(lrPatches, reflr, dilations));
  return { index: indices, score: values };
}

/** The cosines that `searchOrg` chooses by: [B, (h − 2)·(w − 2), (Hr − 2)·(Wr − 2)]. */
export function fineSimilarity(lr: Tensor, reflr: Tensor): Tensor {
  const query = permute(normalize(unfold(lr, { kernel: PATCH }), 1), [0, 2, 1]);
  return matmul(query, normalize(unfold(reflr, { kernel: PATCH }), 1));
}

/** `search_org` of the official code: lr [B, C, h, w], reflr [B, C, Hr, Wr] → [B, h − 2, w − 2, 1]. */
export function searchOrg(lr: Tensor, reflr: Tensor): Found {
  const [B, , h, w] = lr.shape as Four;
  const { values, indices } = top1(fineSimilarity(lr, reflr));
  const shape = [B, h - 2, w - 2, 1];
  return { index: reshape(indices, shape), score: reshape(values, shape) };
}

/** The score of given positions, in the shapes of `searchOrg`. */
export function scoreAt(lr: Tensor, reflr: Tensor, index: Tensor): Tensor {
  const [B, , h, w] = lr.shape as Four;
  const query = normalize(unfold(lr, { kernel: PATCH }), 1);
  const candidates = normalize(unfold(reflr, { kernel: PATCH }), 1);
  const chosen = gather(candidates, reshape(index, [B, (h - 2) * (w - 2)]));
  return reshape(sum(mul(query, chosen), [1]), [B, h - 2, w - 2, 1]);
}

/**
 * `transfer` of the official code: fea [B, C, scale·h, scale·w], index [B, ky, kx], softAtt [B, 1, ky, kx]
 * → [B, C, scale·ky, scale·kx].
 */
export function transferPatches(fea: Tensor, index: Tensor, softAtt: Tensor, scale: number): Tensor {
  const [B, ky, kx] = index.shape as [number, number, number];
  const patches = gather(unfold(fea, { kernel: PATCH * scale, stride: scale }), reshape(index, [B, ky * kx]));
  const size = [scale * ky, scale * kx] as const;
  const windows = { kernel: PATCH * scale, padding: scale, stride: scale };
  // One image and channel of ones is enough: the number of patches over a pixel is the same in all.
  const divisor = fold(fill([1, (PATCH * scale) ** 2, ky * kx], 1), size, windows);
  return mul(div(fold(patches, size, windows), divisor), bilinearResize(softAtt, size));
}

/** The windows of a feature map of the reference at the given corners: [N·blocks, C, scale·h, scale·w]. */
export function refPatches(
  feature: Tensor,
  { originX, originY }: { readonly originX: Tensor; readonly originY: Tensor },
  { window: [height, width] }: MatchGeometry,
  scale = 1,
): Tensor {
  return cropWindows(feature, originX, originY, { height, width, scale });
}

/** The image that blocks [N·py·px, C, h, w] make up: [N, C, py·h, px·w]. */
export function joinBlocks(patches: Tensor, { blocks: [py, px] }: MatchGeometry): Tensor {
  const [count, C, h, w] = patches.shape as Four;
  const N = count / (py * px);
  const rows = permute(reshape(patches, [N, py, px, C, h, w]), [0, 3, 1, 4, 2, 5]);
  return reshape(rows, [N, C, py * h, px * w]);
}

/** Bytes of an unfolded tensor: half of what a default device can bind. */
const UNFOLDED = 64 << 20;

/**
 * Extraction for a whole image: the windows, `transferPatches`, and the blocks joined. Blocks do not depend on each
 * other, so they are taken a few at a time, those of `most` bytes: unfolded, those of a 40×40 LR already exceed a default device's largest binding.
 */
export function extractBlocks(
  feature: Tensor,
  { originX, originY, index, attention }: Readonly<Record<"originX" | "originY" | "index" | "attention", Tensor>>,
  geometry: MatchGeometry,
  scale: number,
  most = UNFOLDED,
): Tensor {
  const [N, P] = originX.shape as [number, number];
  const C = feature.shape[1] as number;
  const { block, window } = geometry;
  const unfolded = 4 * N * C * (PATCH * scale) ** 2 * (window[0] - 2) * (window[1] - 2);
  const step = Math.max(1, Math.floor(most / unfolded));
  const parts = Array.from({ length: Math.ceil(P / step) }, (_, i) => {
    const [start, end] = [i * step, Math.min(P, (i + 1) * step)];
    const part = (x: Tensor, sides: readonly number[]) =>
      reshape(slice(reshape(x, [N, P, ...sides]), 1, start, end), [N * (end - start), ...sides]);
    const origins = { originX: slice(originX, 1, start, end), originY: slice(originY, 1, start, end) };
    const windows = refPatches(feature, origins, geometry, scale);
    const patches = transferPatches(windows, part(index, block), part(attention, [1, ...block]), scale);
    return reshape(patches, [N, end - start, ...patches.shape.slice(1)]);
  });
  const [first] = parts as [Tensor];
  const all = parts.length === 1 ? first : concat(parts, 1);
  return joinBlocks(reshape(all, [N * P, ...first.shape.slice(2)]), geometry);
}
