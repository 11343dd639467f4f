/** Fine matching (paper, section 3.2): for each pixel of an LR block the most similar position in the block's window. */
import { type NdArray, ndarray } from "./array.js";
import { cropWindows } from "./crop_windows.js";
import { best, dot, EPS, type Patch, patch } from "./patches.js";

export interface FineMatchAttributes {
  /** Blocks of LR: [py, px]. */
  readonly blocks: readonly [number, number];
  /** Sides of a window, rim included. */
  readonly window: readonly [number, number];
}

export interface FineMatchInputs {
  readonly lr: NdArray;
  readonly ref: NdArray;
  readonly originX: NdArray;
  readonly originY: NdArray;
}

/** The patches that are compared in one block: one a pixel of the block, one an inner position of its window. */
interface Block {
  readonly queries: readonly Patch[];
  readonly candidates: readonly Patch[];
  /** Where the window's pixels are in `ref`: flat indices, [C, h, w]. */
  readonly source: Float64Array;
}

function blocksOf({ lr, ref, originX, originY }: FineMatchInputs, { blocks, window }: FineMatchAttributes): Block[] {
  const [, , H, W] = lr.shape as [number, number, number, number];
  const [py, px] = blocks;
  const [ky, kx] = [H / py, W / px];
  const [height, width] = window;
  const attributes = { height, width, scale: 1 };
  const windows = cropWindows(ref, originX, originY, attributes);
  const positions = { shape: ref.shape, data: ref.data.map((_, i) => i) };
  const sources = cropWindows(positions, originX, originY, attributes).data;
  const length = sources.length / originX.data.length;
  return Array.from(originX.data, (_, b) => {
    const [n, by, bx] = [Math.floor(b / (py * px)), Math.floor((b % (py * px)) / px), b % px];
    return {
      queries: Array.from({ length: ky * kx }, (_, i) =>
        patch(lr, n, by * ky + Math.floor(i / kx), bx * kx + (i % kx), "replicate"),
      ),
      candidates: Array.from({ length: (height - 2) * (width - 2) }, (_, i) =>
        patch(windows, b, 1 + Math.floor(i / (width - 2)), 1 + (i % (width - 2)), "zero"),
      ),
      source: sources.subarray(b * length, (b + 1) * length),
    };
  });
}

/**
 * lr [N,C,H,W], ref [N,C,Hr,Wr], origins [N, py·px] → index, score, margin [N·py·px, ky, kx]: the inner position of the
 * window with the largest cosine, that cosine, and its lead over the second. With `index` given, its cosines.
 */
export function fineMatch(inputs: FineMatchInputs, attributes: FineMatchAttributes, given?: NdArray) {
  const [, , H, W] = inputs.lr.shape as [number, number, number, number];
  const [ky, kx] = [H / attributes.blocks[0], W / attributes.blocks[1]];
  const found = blocksOf(inputs, attributes).flatMap(({ queries, candidates }, b) =>
    queries.map((query, i) => {
      const scores = candidates.map((candidate) => dot(query.unit, candidate.unit));
      const index = given?.data[b * ky * kx + i];
      return index === undefined ? best(scores) : { index, score: scores[index] as number, margin: 0 };
    }),
  );
  const shape = [inputs.originX.data.length, ky, kx];
  return {
    index: ndarray(
      shape,
      found.map(({ index }) => index),
    ),
    score: ndarray(
      shape,
      found.map(({ score }) => score),
    ),
    margin: ndarray(
      shape,
      found.map(({ margin }) => margin),
    ),
  };
}

/** One component of a matched pair of patches. */
export interface Component {
  /** Flat indices into `index` and `score`, `lr` and `ref`. */
  readonly match: number;
  readonly lr: number;
  readonly ref: number;
  /** Of the query q and the candidate r: component of the unit vector, and norm. */
  readonly q: number;
  readonly r: number;
  readonly qNorm: number;
  readonly rNorm: number;
  readonly cosine: number;
}

/** Calls `visit` with all 9·C components of each pixel's patch and the patch at `index`. */
export function forEachComponent(
  inputs: FineMatchInputs,
  index: NdArray,
  attributes: FineMatchAttributes,
  visit: (component: Component) => void,
): void {
  for (const [b, { queries, candidates, source }] of blocksOf(inputs, attributes).entries())
    for (const [i, query] of queries.entries()) {
      const match = b * queries.length + i;
      const candidate = candidates[index.data[match] as number] as Patch;
      const cosine = dot(query.unit, candidate.unit);
      for (const [k, lr] of query.indices.entries()) {
        const ref = source[(candidate.indices[k] as number) % source.length] as number;
        const [q, r] = [query.unit[k] as number, candidate.unit[k] as number];
        visit({ match, lr, ref, q, r, qNorm: query.norm, rNorm: candidate.norm, cosine });
      }
    }
}

/** Gradients of Σ score·dscore at the positions `index`: dlr, dref. The choice itself has none. */
export function fineMatchGradient(
  inputs: FineMatchInputs,
  index: NdArray,
  dscore: NdArray,
  attributes: FineMatchAttributes,
) {
  const [dlr, dref] = [ndarray(inputs.lr.shape), ndarray(inputs.ref.shape)];
  forEachComponent(inputs, index, attributes, ({ match, lr, ref, q, r, qNorm, rNorm, cosine }) => {
    const dy = dscore.data[match] as number;
    (dlr.data[lr] as number) += dy * cosineGradient(q, r, cosine, qNorm);
    (dref.data[ref] as number) += dy * cosineGradient(r, q, cosine, rNorm);
  });
  return { dlr, dref };
}

/** ∂cos/∂a for one component of a = norm·â: (b̂ − cos·â) / norm; a norm below EPS is held at EPS and has no gradient. */
function cosineGradient(aUnit: number, bUnit: number, cosine: number, norm: number): number {
  return norm < EPS ? bUnit / EPS : (bUnit - cosine * aUnit) / norm;
}
