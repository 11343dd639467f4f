/**
 * The match and extraction module (paper, section 3.2): which parts of the reference each part of LR resembles, and
 * the reference's features brought there.
 *
 * A block of LR first finds its most similar position in the whole downscaled reference (coarse), then each of its pixels
 * one in the window around it (fine). Dense matching compares every patch of LR with every patch of the reference, as did the
 * networks that the paper speeds up (SRNTT, Zhang et al. 2019; TTSR, Yang et al. 2020). It is a fine match with one block,
 * all of LR, and one window, all of Ref↓.
 *
 * There are two implementations with equal results: `fused`, whose operations never write an unfolded tensor or a similarity,
 * and `unfused`, the paper's own steps (matching_unfused.ts).
 */
import { ArgumentError } from "../errors.js";
import { ShapeError } from "../gpu/errors.js";
import { coarseMatch } from "../graph/ops/coarse_match.js";
import { permute } from "../graph/ops/permute.js";
import { slice } from "../graph/ops/slice.js";
import { transfer } from "../graph/ops/transfer.js";
import { windowOrigin } from "../graph/ops/window_origin.js";
import { constant, noGrad, scope } from "../graph/trace/graph.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { reshape } from "../graph/trace/view.js";
import type { MatchGeometry } from "./geometry.js";
import { tiledFineMatch } from "./matching_tiles.js";
import type { Found } from "./matching_unfused.js";
import * as paper from "./matching_unfused.js";

/** Which patches are compared; see `MasaOptions.matching`. */
export type Matching = "coarse-to-fine" | "dense";

/** How matches are computed and features carried over; see `MasaOptions.implementation`. */
export type Implementation = "fused" | "unfused";

export interface MatchFeatures {
  /** Level 1 of LR's features, [N, C, H, W]. */
  readonly lr: Tensor;
  /** Level 1 of the downscaled reference's, [N, C, Hr, Wr]. */
  readonly refDown: Tensor;
}

export interface MatchOptions {
  /** Default `coarse-to-fine`. `dense` needs a `denseGeometry`. */
  readonly matching?: Matching | undefined;
  /** Default `fused`. */
  readonly implementation?: Implementation | undefined;
  /** Coarse matches from outside, i32 [N, blocks]. */
  readonly coarseIndex?: Tensor | undefined;
  /** Fine matches from outside, i32 [N·blocks, ky, kx]. */
  readonly fineIndex?: Tensor | undefined;
}

export interface Matches {
  /** Block → position in Ref↓, row by row: i32 [N, blocks]. Dense: one block, whose index and score are 0. */
  readonly coarseIndex: Tensor;
  /** The best sum of cosines, f32 [N, blocks]: the search's own, also where the index came from outside. No gradient. */
  readonly coarseScore: Tensor;
  /** The window's corner in Ref↓: i32 [N, blocks]. Below 0 the window wraps around. */
  readonly originX: Tensor;
  readonly originY: Tensor;
  /** LR pixel → position in its block's window without the rim, row by row: i32 [N·blocks, ky, kx]. */
  readonly fineIndex: Tensor;
  /** The cosine of that match, which later weighs what is extracted (soft attention): f32 [N·blocks, ky, kx]. */
  readonly fineScore: Tensor;
}

/** Matches LR with the reference. Gradients flow through `fineScore` alone. Throws `ShapeError`. */
export function match(features: MatchFeatures, geometry: MatchGeometry, options: MatchOptions = {}): Matches {
  checkFeatures(features, geometry);
  const steps = stepsOf(options.implementation);
  const coarseStep = coarseOf(options.matching, steps);
  // A choice has no gradient, and nothing but the choice is used.
  const coarse = scope("coarse", () => noGrad(() => coarseStep(features, geometry)));
  const coarseIndex = options.coarseIndex ?? coarse.index;
  const origins = scope("window", () => windowOrigin(coarseIndex, geometry));
  const fine = scope("fine", () => steps.fine(features, origins, geometry, options.fineIndex));
  return { coarseIndex, coarseScore: coarse.score, ...origins, fineIndex: fine.index, fineScore: fine.score };
}

/**
 * The features of the reference as the matches bring them to LR: [N, C, scale·H, scale·W] from `feature`
 * [N, C, scale·Hr, scale·Wr], weighted with the attention. Gradients for `feature` and the attention. Throws `ShapeError`.
 */
export function extract(
  feature: Tensor,
  matches: Matches,
  geometry: MatchGeometry,
  scale: 1 | 2 | 4,
  implementation?: Implementation,
): Tensor {
  const [height, width] = geometry.refDown;
  if (feature.shape[2] !== scale * height || feature.shape[3] !== scale * width)
    throw new ShapeError(
      "extract",
      "feature",
      `has shape [${feature.shape}]`,
      `Expected [N, C, ${scale * height}, ${scale * width}]: ${scale} times Ref↓`,
    );
  return stepsOf(implementation).extract(feature, matches, geometry, scale);
}

type Origins = Pick<Matches, "originX" | "originY">;

/** The steps of the module, as each implementation records them. */
interface Steps {
  coarse(features: MatchFeatures, geometry: MatchGeometry): Found;
  fine(features: MatchFeatures, origins: Origins, geometry: MatchGeometry, index: Tensor | undefined): Found;
  extract(feature: Tensor, matches: Matches, geometry: MatchGeometry, scale: number): Tensor;
}

const fused: Steps = {
  coarse: ({ lr, refDown }, geometry) => coarseMatch(lr, refDown, geometry),
  fine: ({ lr, refDown }, origins, geometry, index) =>
    tiledFineMatch({ lr, ref: refDown, ...origins, index }, geometry),
  extract: (feature, { fineIndex, fineScore, originX, originY }, { blocks, window }, scale) =>
    transfer({ feature, index: fineIndex, score: fineScore, originX, originY }, { blocks, window, scale }),
};

const unfused: Steps = {
  coarse({ lr, refDown }, geometry) {
    const { index, score } = paper.search(paper.blockPatches(lr, geometry), refDown, geometry.dilations);
    const shape = index.shape.slice(0, 2);
    return { index: reshape(index, shape), score: reshape(score, shape) };
  },
  fine({ lr, refDown }, origins, geometry, given) {
    const patches = paper.blockPatches(lr, geometry);
    const [N, P, ...sides] = patches.shape as [number, number, number, number, number];
    const queries = reshape(patches, [N * P, ...sides]);
    const windows = paper.refPatches(refDown, origins, geometry);
    const { index, score } = given
      ? { index: given, score: paper.scoreAt(queries, windows, given) }
      : paper.searchOrg(queries, windows);
    const shape = score.shape.slice(0, 3);
    return { index: reshape(index, shape), score: reshape(score, shape) };
  },
  extract: (feature, { fineIndex, fineScore, originX, originY }, geometry, scale) =>
    paper.extractBlocks(feature, { originX, originY, index: fineIndex, attention: fineScore }, geometry, scale),
};

/** For `denseGeometry`, whose one window is the whole reference. */
function oneBlock({ lr: { shape } }: MatchFeatures): Found {
  const [N] = shape as [number];
  return {
    index: constant("coarse index", [N, 1], new Int32Array(N)),
    score: constant("coarse score", [N, 1], new Float32Array(N)),
  };
}

function stepsOf(implementation: Implementation = "fused"): Steps {
  if (implementation === "fused") return fused;
  if (implementation === "unfused") return unfused;
  throw new ArgumentError(`masa: implementation is ${implementation}`, "Choose fused or unfused");
}

function coarseOf(matching: Matching = "coarse-to-fine", steps: Steps): Steps["coarse"] {
  if (matching === "coarse-to-fine") return steps.coarse;
  if (matching === "dense") return oneBlock;
  throw new ArgumentError(`masa: matching is ${matching}`, "Choose coarse-to-fine or dense");
}

function checkFeatures(features: MatchFeatures, { lr, refDown }: MatchGeometry): void {
  for (const [name, tensor, sides] of [
    ["lr", features.lr, lr],
    ["refDown", features.refDown, refDown],
  ] as const) {
    if (tensor.shape.length !== 4 || tensor.shape.slice(2).join() !== sides.join())
      throw new ShapeError(
        "match",
        name,
        `has shape [${tensor.shape}]`,
        `Expected [N, C, ${sides.join(", ")}], which the geometry was made for`,
      );
  }
}

/**
 * The official code's `search`: lrPatches [N, P, C, h, w], blocks with their rim, in reflr [N, C, Hr, Wr] → index and score
 * [N, P, 1]. Fused, the score has no gradient.
 */
export function search(
  lrPatches: Tensor,
  reflr: Tensor,
  dilations: readonly number[],
  implementation?: Implementation,
): Found {
  if (implementation === "unfused") return paper.search(lrPatches, reflr, dilations);
  const [N, P, C, h, w] = lrPatches.shape as [number, number, number, number, number];
  // Side by side the patches are the blocks of one map; no tap leaves its patch.
  const map = reshape(permute(lrPatches, [0, 2, 3, 1, 4]), [N, C, h, P * w]);
  const { index, score } = coarseMatch(map, reflr, { blocks: [1, P], dilations });
  return { index: reshape(index, [N, P, 1]), score: reshape(score, [N, P, 1]) };
}

/** The official code's `search_org`: lr [B, C, h, w] in reflr [B, C, Hr, Wr] → index and score [B, h − 2, w − 2, 1]. */
export function searchOrg(lr: Tensor, reflr: Tensor, implementation?: Implementation): Found {
  if (implementation === "unfused") return paper.searchOrg(lr, reflr);
  const [B, , h, w] = lr.shape as [number, number, number, number];
  const window = reflr.shape.slice(2) as [number, number];
  // One block is the whole map, one window the whole reference; the block's edge is the rim and has no match of its own.
  const found = tiledFineMatch({ lr, ref: reflr, ...corners(B) }, { blocks: [1, 1], window });
  const inner = (x: Tensor) => reshape(slice(slice(x, 1, 1, h - 1), 2, 1, w - 1), [B, h - 2, w - 2, 1]);
  return { index: inner(found.index), score: inner(found.score) };
}

/**
 * The official code's `transfer`: fea [B, C, scale·h, scale·w], index i32 [B, ky, kx], softAtt [B, 1, ky, kx]
 * → [B, C, scale·ky, scale·kx].
 */
export function transferPatches(
  fea: Tensor,
  index: Tensor,
  softAtt: Tensor,
  scale: number,
  implementation?: Implementation,
): Tensor {
  if (implementation === "unfused") return paper.transferPatches(fea, index, softAtt, scale);
  const [B, , height, width] = fea.shape as [number, number, number, number];
  const matches = { index, score: reshape(softAtt, index.shape), ...corners(B) };
  return transfer({ feature: fea, ...matches }, { blocks: [1, 1], window: [height / scale, width / scale], scale });
}

function corners(B: number): Origins {
  const zeros = (name: string) => constant(name, [B, 1], new Int32Array(B));
  return { originX: zeros("originX"), originY: zeros("originY") };
}
