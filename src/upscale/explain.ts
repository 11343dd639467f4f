/** Why a result is what it is: the network's matches, the reference where they bring it, and what the adaptation makes of it. */
import type { Device } from "../gpu/device.js";
import { GpuError } from "../gpu/errors.js";
import { bilinearResize } from "../graph/ops/bilinear.js";
import { meanStd } from "../graph/ops/mean_std.js";
import { fill } from "../graph/ops/pointwise.js";
import { compile, dataOf, type HostTensor, type PlanProgress, type Result } from "../graph/plan/plan.js";
import { scope } from "../graph/trace/graph.js";
import type { Tensor } from "../graph/trace/tensor.js";
import type { Image } from "../image/image.js";
import { SCALE } from "../image/pairs.js";
import type { MatchGeometry } from "../masa/geometry.js";
import type { Masa, MasaInputs } from "../masa/masa.js";
import { extract, type Matches } from "../masa/matching.js";
import { pictureOf, shapesOf, tensorsOf } from "./network.js";
import { preparePair, type UpscaleRequest } from "./prepare.js";
import { type Match, remedy } from "./run.js";

/** Mean and standard deviation of every channel of three feature maps, at one of the decoder's scales. */
export interface AdaptationStatistics {
  readonly scale: 1 | 2 | 4;
  /** The LR features, the warped reference before the adaptation, and after it. */
  readonly lr: ChannelStatistics;
  readonly before: ChannelStatistics;
  readonly after: ChannelStatistics;
}

export interface ChannelStatistics {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** All pictures are those of the padded images. */
export interface Explanation extends Match {
  readonly result: Image;
  /** The reference's pixels, each where it was matched, at full strength. */
  readonly warped: Image;
  readonly statistics: readonly AdaptationStatistics[];
  /** If wanted: inputs, output, matches, and every layer that the network shows, by the official modules' names. */
  readonly layers: ReadonlyMap<string, HostTensor>;
}

export interface ExplainOptions {
  /** Whether to read back `layers`. */
  readonly layers?: boolean;
  readonly onProgress?: (progress: PlanProgress) => void;
  readonly onMemory?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** Names of the matches in a dump, which are those of the golden cases. */
const MATCH_NAMES = {
  coarseIndex: "coarse_index",
  coarseScore: "coarse_score",
  originX: "window_x1",
  originY: "window_y1",
  fineIndex: "fine_index",
  fineScore: "fine_score",
} as const satisfies Record<keyof Matches, string>;

/** Runs the network once and keeps what explains its result. Throws what `upscale` throws. */
export async function explain(
  device: Device,
  masa: Masa,
  request: UpscaleRequest,
  { layers = false, onMemory, ...watch }: ExplainOptions = {},
): Promise<Explanation> {
  watch.signal?.throwIfAborted();
  const pair = preparePair(request, masa.config.blockSize);
  let geometry: MatchGeometry | undefined;
  const shown = new Map<string, Tensor>();
  const build = (inputs: MasaInputs) => {
    for (const [name, input] of [["lr", inputs.lr] as const, ["ref", inputs.ref], ["ref_down", inputs.refDown]])
      shown.set(name as string, input as Tensor);
    const { sr, matches, ...rest } = masa.forward(inputs, { probe: (name, tensor) => shown.set(name, tensor) });
    shown.set("out", sr);
    for (const [key, name] of Object.entries(MATCH_NAMES)) shown.set(name, matches[key as keyof Matches]);
    geometry = rest.geometry;
    return {
      sr,
      matches,
      warped: scope("explain", () => atFullStrength(inputs.ref, matches, rest.geometry)),
      statistics: scope("explain", () => SCALES.map((scale) => statisticsOf(shown, scale))),
      layers: layers ? Object.fromEntries(shown) : {},
    };
  };
  const plan = await compile(device, shapesOf(pair), build, { ...(onMemory && { onMemory }) });
  try {
    const found = await plan.run(tensorsOf(pair), watch);
    const picture = ({ data }: Result) => {
      const image = pictureOf(data, pair.lr);
      if (image) return image;
      throw new GpuError("the network's result has values that are infinite or NaN", remedy("f32"));
    };
    return {
      pair,
      geometry: geometry as MatchGeometry,
      matches: dataOf(found.matches) as Match["matches"],
      result: picture(found.sr),
      warped: picture(found.warped),
      statistics: found.statistics.map((maps, i) => readStatistics(maps, SCALES[i] as Scale)),
      layers: new Map(Object.entries(found.layers)),
    };
  } finally {
    plan.dispose();
  }
}

/** The extraction of the reference's pixels with an attention of 1 everywhere. */
function atFullStrength(ref: Tensor, matches: Matches, geometry: MatchGeometry): Tensor {
  return extract(ref, { ...matches, fineScore: fill(matches.fineScore.shape, 1) }, geometry, SCALE);
}

const SCALES = [1, 2, 4] as const;
/** Where the LR features that a scale adapts to come from; they are enlarged to its size. */
const LR_FEATURES = { 1: "decoder.blk_L1", 2: "decoder.blk_x1", 4: "decoder.blk_x2" } as const;

type Scale = (typeof SCALES)[number];

function statisticsOf(shown: ReadonlyMap<string, Tensor>, scale: Scale) {
  const before = shown.get(`warp_ref/x${scale}`) as Tensor;
  const lr = shown.get(LR_FEATURES[scale]) as Tensor;
  const size = before.shape.slice(2) as [number, number];
  return {
    lr: meanStd(scale === 1 ? lr : bilinearResize(lr, size)),
    before: meanStd(before),
    after: meanStd(shown.get(`pAda/x${scale}`) as Tensor),
  };
}

function readStatistics(
  maps: Readonly<Record<"lr" | "before" | "after", Readonly<Record<keyof ChannelStatistics, Result>>>>,
  scale: Scale,
): AdaptationStatistics {
  const of = ({ mean, std }: (typeof maps)["lr"]): ChannelStatistics => ({
    mean: Array.from(mean.data),
    std: Array.from(std.data),
  });
  return { scale, lr: of(maps.lr), before: of(maps.before), after: of(maps.after) };
}

/** Where in Ref↓ an LR pixel was matched, in pixels: the centre of the matched patch. */
export function matchedPosition(
  { geometry: { blocks, block, window, refDown }, matches }: Pick<Match, "geometry" | "matches">,
  x: number,
  y: number,
): readonly [x: number, y: number] {
  const [ky, kx] = block;
  const b = Math.floor(y / ky) * blocks[1] + Math.floor(x / kx);
  const index = matches.fineIndex[(b * ky + (y % ky)) * kx + (x % kx)] as number;
  const columns = window[1] - 2;
  const wrapped = (position: number, side: number) => (position < 0 ? position + side : position);
  return [
    wrapped((matches.originX[b] as number) + 1 + (index % columns), refDown[1]),
    wrapped((matches.originY[b] as number) + 1 + Math.floor(index / columns), refDown[0]),
  ];
}

/** The similarity of an LR pixel's match. */
export function matchedScore(
  { geometry: { blocks, block }, matches }: Pick<Match, "geometry" | "matches">,
  x: number,
  y: number,
): number {
  const [ky, kx] = block;
  const b = Math.floor(y / ky) * blocks[1] + Math.floor(x / kx);
  return matches.fineScore[(b * ky + (y % ky)) * kx + (x % kx)] as number;
}
