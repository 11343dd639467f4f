/** From images to an image, once or again and again: what the `masa upscale` command and the API calls do. */
import { ArgumentError, advice } from "../errors.js";
import type { Device } from "../gpu/device.js";
import { GpuError } from "../gpu/errors.js";
import { type Profiler, phase } from "../gpu/profiler.js";
import { type Data, type PlanChoice, type PlanProgress, plan } from "../graph/plan/plan.js";
import { PlanCache } from "../graph/plan/plan_cache.js";
import { scope } from "../graph/trace/graph.js";
import { ImageError } from "../image/errors.js";
import {
  cropImage,
  fromTensor,
  type Image,
  mergeAlpha,
  padImage,
  splitAlpha,
  toBitDepth,
  toGrey,
  toRgb,
  toTensor,
} from "../image/image.js";
import { downscale, padCentred, padEnd, REF_MULTIPLE, SCALE, stackReferences } from "../image/pairs.js";
import { resizeBicubic } from "../image/resize.js";
import { visibleColour } from "../image/transparency.js";
import type { FloatStorage, Shape } from "../kernels/kernel.js";
import { MASA } from "../masa/config.js";
import { checkEnsemble, type Ensemble, EnsembleRunner, toPlanes } from "../masa/ensemble.js";
import { type MatchGeometry, matchGeometry } from "../masa/geometry.js";
import type { Masa, MasaInputs } from "../masa/masa.js";
import { extract, type Matches } from "../masa/matching.js";

/** Below 32 pixels (8 in Ref↓) a window of 1.5 times the reference reaches around it more than once. */
const LEAST_REFERENCE = 32;

/** Why the result is not finite, by how features are stored. */
function remedy(storage: FloatStorage): string {
  if (storage === "f16")
    return `f16 cannot hold features above 65504: ${advice('use storage: "f32"', "omit --half")}, or try an earlier checkpoint`;
  return "Try an earlier checkpoint of these weights; if official ones do this, run 'masa conformance' on this adapter";
}

/** The images of one enlargement, of any sizes. */
export interface UpscaleRequest {
  readonly lr: Image;
  /** One reference, or several, which are stacked as in the paper's evaluation with several references. */
  readonly refs: readonly Image[];
}

/** How an enlargement is watched and stopped. */
export interface UpscaleOptions {
  /** Called as the GPU completes work. */
  readonly onProgress?: (progress: PlanProgress) => void;
  /** Told before any GPU memory is taken: the bytes that the run will take besides the weights. */
  readonly onMemory?: (bytes: number) => void;
  readonly signal?: AbortSignal;
  /** Given, the network runs once to warm up, and a second time to be profiled. */
  readonly profiler?: Profiler;
}

/** What holds for all images that an `Upscaler` enlarges. */
export interface UpscalerOptions {
  /** How most features are stored (see `MasaOptions`); f16 takes half of the memory. Default f32. */
  readonly storage?: FloatStorage | undefined;
  /**
   * The mean over 4 or 8 flipped and transposed orientations of all images is the result, which costs as many runs and
   * gains a little quality. They run as batches as long as a plan fits `keptBytes`. Default 1.
   */
  readonly ensemble?: Ensemble | undefined;
  /** Most bytes of GPU memory of its plans, besides the weights; what needs more goes without company. Default 256 MiB. */
  readonly keptBytes?: number | undefined;
}

/** What an enlargement gives. */
export interface UpscaleResult {
  /** Four times as wide and high as `lr`, of its kind (grey, alpha) and depth. */
  readonly image: Image;
  /**
   * The references' own pixels, each where it was matched, dimmed by how little it resembles: what the matching found,
   * whatever the network has learned. RGB, of the size and depth of `image`.
   */
  readonly matched: Image;
  /** Number of LR blocks that were matched. */
  readonly blocks: number;
  /** Mean cosine similarity of the LR pixels' patches with their matches, −1 to 1: how much of `lr` the references show. */
  readonly similarity: number;
  /** Where each block and each pixel was found, for pictures of it (pictures.ts). */
  readonly match: Match;
}

/** What was found where, in positions of the padded images. */
export interface Match {
  readonly pair: PreparedPair;
  readonly geometry: MatchGeometry;
  /** As `Matches` says, read back. */
  readonly matches: Readonly<Record<Exclude<keyof Matches, "coarseScore" | "fineScore">, Int32Array>> & {
    readonly coarseScore: Float32Array;
    readonly fineScore: Float32Array;
  };
}

/** Images made ready for the network. */
export interface PreparedPair {
  readonly lr: Image;
  readonly ref: Image;
  readonly refDown: Image;
  /** The window of `lr` that is the picture; the rest repeats its border. */
  readonly window: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
}

/**
 * Gives transparent pixels the colours of visible ones, pads `lr` on all sides to whole blocks of `blockSize` and to
 * multiples of 4 (two halvings in the encoder), brings the references into one image, and shrinks that.
 */
export function preparePair({ lr, refs }: UpscaleRequest, blockSize = MASA.blockSize): PreparedPair {
  if (refs.length === 0) throw new ImageError("there is no reference image", "Give at least one");
  const multiple = [1, 2, 4].map((factor) => factor * blockSize).find((side) => side % 4 === 0) as number;
  const { image, padding } = padCentred(toRgb(visibleColour(lr)), multiple);
  const ref = stack(refs);
  const window = { left: padding.left, top: padding.top, width: lr.width, height: lr.height };
  return { lr: image, ref, refDown: downscale(ref), window };
}

/** One reference as it is; several of one depth, centred in the smallest canvas that holds each, below one another. */
function stack(refs: readonly Image[]): Image {
  const depth = refs.some(({ bitDepth }) => bitDepth === 16) ? 16 : 8;
  const images = refs.map((ref) => padReference(toBitDepth(toRgb(visibleColour(ref)), depth)));
  if (images.length === 1) return images[0] as Image;
  const side = (of: (image: Image) => number) => Math.max(...images.map(of));
  return stackReferences(
    images,
    side(({ width }) => width),
    side(({ height }) => height),
  );
}

/** Repeats the last row and column to multiples of 16, and to the least that holds a search window. */
function padReference(ref: Image): Image {
  const bottom = Math.max(0, LEAST_REFERENCE - ref.height);
  const right = Math.max(0, LEAST_REFERENCE - ref.width);
  return padEnd(padImage(ref, { top: 0, bottom, left: 0, right }), REF_MULTIPLE);
}

/** Bytes of GPU memory that an `Upscaler` keeps in plans for sizes that it has had before. */
const KEPT_BYTES = 256 * 2 ** 20;

/**
 * `upscale` for many images, one after another: what is compiled for images of some sizes serves the next ones of the same
 * sizes.
 */
export class Upscaler {
  readonly #plans: PlanCache<keyof MasaInputs, "sr" | "matched" | keyof Matches>;
  readonly #storage: FloatStorage;
  readonly #ensemble: Ensemble;
  readonly #runner: EnsembleRunner<"matched" | keyof Matches>;

  constructor(
    readonly device: Device,
    readonly masa: Masa,
    { storage = "f32", ensemble = 1, keptBytes = KEPT_BYTES }: UpscalerOptions = {},
  ) {
    checkEnsemble(ensemble);
    this.#storage = storage;
    this.#ensemble = ensemble;
    this.#plans = new PlanCache(device, (inputs) => upscaleGraph(masa, inputs, storage), keptBytes);
    this.#runner = new EnsembleRunner(this.#plans, keptBytes);
  }

  /** The function `upscale`; await one call before the next. `onMemory` is told only of plans that are new. */
  async upscale(request: UpscaleRequest, options: UpscaleOptions = {}): Promise<UpscaleResult> {
    const pair = preparePair(request, this.masa.config.blockSize);
    const { lr, window } = pair;
    const found = await (this.#ensemble === 1 ? this.#runOnce(pair, options) : this.#runTurned(pair, options));
    if (!found.sr.every(Number.isFinite))
      throw new GpuError("the network's result has values that are infinite or NaN", remedy(this.#storage));
    const picture = (tensor: Data) => {
      const padded = fromTensor(tensor as Float32Array, SCALE * lr.width, SCALE * lr.height, request.lr.bitDepth);
      const { left, top, width, height } = window;
      return cropImage(padded, SCALE * left, SCALE * top, SCALE * width, SCALE * height);
    };
    const image = likeSource(picture(found.sr), request.lr);
    const { sr, matched, ...matches } = found;
    const match = { pair, geometry: geometryOf(pair, this.masa), matches: matches as unknown as Match["matches"] };
    const blocks = found.coarseIndex.length;
    return { image, matched: picture(matched), blocks, similarity: mean(found.fineScore), match };
  }

  async #runOnce(pair: PreparedPair, { onMemory, profiler, ...watch }: UpscaleOptions) {
    const plan = await phase(profiler, "compile", () => this.#plans.get(shapesOf(pair), onMemory));
    const data = { lr: toTensor(pair.lr), ref: toTensor(pair.ref), refDown: toTensor(pair.refDown) };
    const unprofiled = await phase(profiler, "warm up", () => plan.run(data, watch));
    if (!profiler) return unprofiled;
    watch.onProgress?.({ stage: "profile", done: 0, total: plan.dispatchCount, share: 1 });
    return plan.run(data, { profiler });
  }

  async #runTurned({ lr, ref, refDown }: PreparedPair, { profiler, ...watch }: UpscaleOptions) {
    if (profiler)
      throw new ArgumentError(
        "a profiler measures one run of the network, an ensemble has several",
        advice("Leave out ensemble or profiler", "Leave out --ensemble or --profile"),
      );
    const pictures = { lr: toPlanes(lr), ref: toPlanes(ref), refDown: toPlanes(refDown) };
    const { milliseconds: _, ...found } = await this.#runner.run(pictures, this.#ensemble, watch);
    return found;
  }

  /** Frees the GPU memory of its plans; the weights stay. */
  dispose(): void {
    this.#plans.dispose();
  }
}

/**
 * Enlarges `lr` four times with what the references show. Alpha is enlarged bicubically; grey stays grey; 16 bits stay.
 * Throws `ImageError`, `LimitError` (also where the adapter lacks f16), `OutOfGpuMemoryError`, or the signal's reason.
 */
export async function upscale(
  device: Device,
  masa: Masa,
  request: UpscaleRequest,
  { storage, ensemble, ...options }: UpscaleOptions & Pick<UpscalerOptions, "storage" | "ensemble"> = {},
): Promise<UpscaleResult> {
  const upscaler = new Upscaler(device, masa, { storage, ensemble });
  try {
    return await upscaler.upscale(request, options);
  } finally {
    upscaler.dispose();
  }
}

/** The choices between variants of kernels that a request makes, for the tuner; takes no GPU memory. */
export function upscaleChoices(
  device: Device,
  masa: Masa,
  request: UpscaleRequest,
  storage?: FloatStorage,
): readonly PlanChoice[] {
  const shapes = shapesOf(preparePair(request, masa.config.blockSize));
  return plan(device, shapes, (inputs: MasaInputs) => upscaleGraph(masa, inputs, storage)).choices;
}

function shapesOf({ lr, ref, refDown }: Omit<PreparedPair, "window">): Record<keyof MasaInputs, Shape> {
  const shape = ({ width, height }: Image) => [1, 3, height, width];
  return { lr: shape(lr), ref: shape(ref), refDown: shape(refDown) };
}

/** How the network cuts a pair. */
function geometryOf({ lr, refDown }: PreparedPair, { config }: Masa): MatchGeometry {
  return matchGeometry({ lr: [lr.height, lr.width], refDown: [refDown.height, refDown.width], ...config });
}

/** What `upscale` computes: the picture, the reference's pixels where they were matched, and all that tells where. */
export function upscaleGraph(masa: Masa, inputs: MasaInputs, storage: FloatStorage = "f32") {
  const { sr, matches, geometry } = masa.forward(inputs, { storage });
  const matched = scope("show matches", () => extract(inputs.ref, matches, geometry, SCALE));
  return { sr, matched, ...matches };
}

/** The result in the kind of the source: grey if it was grey, with its alpha enlarged. */
function likeSource(image: Image, source: Image): Image {
  const { colour, alpha } = splitAlpha(source);
  const result = colour.channels === 1 ? toGrey(image) : image;
  return alpha ? mergeAlpha(result, resizeBicubic(alpha, result.width, result.height)) : result;
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}
