/** From images to an image, once or again and again: what the `masa upscale` command and the API calls do. */
import { ArgumentError, advice, MasaError } from "../errors.js";
import type { Device } from "../gpu/device.js";
import { GpuError, OutOfGpuMemoryError } from "../gpu/errors.js";
import { type Profiler, phase } from "../gpu/profiler.js";
import { type Data, dataOf, type PlanChoice, type PlanProgress, plan } from "../graph/plan/plan.js";
import { PlanCache } from "../graph/plan/plan_cache.js";
import { scope } from "../graph/trace/graph.js";
import { GraphError, type Tensor } from "../graph/trace/tensor.js";
import type { WindowEstimate } from "../graph/windows/windowed_plan.js";
import { type Image, mergeAlpha, splitAlpha, toGrey } from "../image/image.js";
import { SCALE } from "../image/pairs.js";
import { resizeBicubic } from "../image/resize.js";
import type { Box } from "../image/zoom.js";
import type { FloatStorage, Shape } from "../kernels/kernel.js";
import { checkEnsemble, type Ensemble, EnsembleRunner } from "../masa/ensemble.js";
import { type MatchGeometry, matchGeometry } from "../masa/geometry.js";
import { checkStorage, type Masa, type MasaInputs } from "../masa/masa.js";
import { extract, type Matches } from "../masa/matching.js";
import { pictureOf, planesOf, shapesOf, similarityOf, tensorsOf } from "./network.js";
import { type PreparedPair, preparePair, type UpscaleRequest } from "./prepare.js";
import { defaultMemory, fitsWhole, WindowedPlans } from "./windows.js";

/** Why the result is not finite, by how features are stored. */
export function remedy(storage: FloatStorage): string {
  if (storage === "f16")
    return `f16 cannot hold features above 65504: ${advice('use storage: "f32"', "omit --half")}, or try an earlier checkpoint`;
  return "Try an earlier checkpoint of these weights; if official ones do this, run 'masa conformance' on this adapter";
}

/** How an enlargement is watched and stopped. */
export interface UpscaleOptions {
  /** Called as the GPU completes work. */
  readonly onProgress?: (progress: PlanProgress) => void;
  /** Called before any GPU memory is taken, with the bytes that the run takes besides the weights. */
  readonly onMemory?: (bytes: number) => void;
  /** Called, after `onMemory`, where the images do not fit at once and are computed in windows. */
  readonly onWindows?: (estimate: WindowEstimate) => void;
  readonly signal?: AbortSignal;
  /** Given, the network runs once to warm up, and a second time to be profiled. */
  readonly profiler?: Profiler;
}

/** What holds for all images that an `Upscaler` enlarges. */
export interface UpscalerOptions<Matched extends boolean = boolean> {
  /** How most features are stored (see `MasaOptions`); f16 takes half of the memory. Default f32. */
  readonly storage?: FloatStorage | undefined;
  /**
   * The result is the mean over 4 or 8 flipped and transposed orientations of all images, which costs as many runs and gains
   * a little quality. They run as batches as long as a plan fits `keptBytes`. Default 1.
   */
  readonly ensemble?: Ensemble | undefined;
  /** Most bytes of GPU memory of its plans, besides the weights; a larger plan evicts all others. Default 256 MiB. */
  readonly keptBytes?: number | undefined;
  /**
   * Most bytes of GPU memory for an image, besides the weights. What needs more is computed in windows, with the same bits.
   * Default: eight of the adapter's largest bindings, between 1 and 4 GiB.
   */
  readonly memory?: number | undefined;
  /** Whether to compute and read back what was matched, too. Default false. */
  readonly matches?: Matched | undefined;
}

/** An enlarged image. */
export interface UpscaleResult {
  /** Four times as wide and high as `lr`, of its kind (grey, alpha) and depth. */
  readonly image: Image;
  /** Number of LR blocks that were matched. */
  readonly blocks: number;
  /** Mean cosine similarity of the LR pixels' patches with their matches, −1 to 1: how much of `lr` the references show. */
  readonly similarity: number;
}

/** An enlarged image and what was matched, which `matches: true` asks for. */
export interface MatchedResult extends UpscaleResult {
  /**
   * The references' own pixels, each where it was matched, dimmed by how little it resembles: what the matching found,
   * whatever the network has learned. RGB, of the size and depth of `image`.
   */
  readonly matched: Image;
  /** Where each block and each pixel was matched, for pictures of it (pictures.ts). */
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

const MATCHES = ["coarseIndex", "coarseScore", "originX", "originY", "fineIndex", "fineScore"] as const;

/** Bytes of GPU memory that an `Upscaler` keeps in plans for sizes that it has had before. */
const KEPT_BYTES = 256 * 2 ** 20;

/**
 * `upscale` for many images: what is compiled for images of some sizes serves the next ones of the same sizes. Calls at the
 * same time are served in turn.
 */
export class Upscaler<Matched extends boolean = false> {
  readonly #plans: PlanCache<MasaInputs, Readonly<Record<string, Tensor>>>;
  readonly #storage: FloatStorage;
  readonly #matches: boolean;
  readonly #ensemble: Ensemble;
  readonly #runner: EnsembleRunner<string>;
  readonly #windows: WindowedPlans;
  /** Sizes of the inputs, and whether they fit at once. */
  readonly #fits = new Map<string, boolean>();
  /** Settles with the last call. */
  #last: Promise<unknown> = Promise.resolve();
  #disposed = false;

  /** Throws `ArgumentError` for an unknown storage or ensemble, and for a memory that is not a positive number. */
  constructor(
    readonly device: Device,
    readonly masa: Masa,
    {
      storage = "f32",
      ensemble = 1,
      keptBytes = KEPT_BYTES,
      memory = defaultMemory(device),
      matches,
    }: UpscalerOptions<Matched> = {},
  ) {
    if (!(memory > 0))
      throw new ArgumentError(
        `memory is ${memory}; it must be a number of bytes above 0`,
        "Leave it out for the default",
      );
    checkStorage(storage);
    checkEnsemble(ensemble);
    this.#ensemble = ensemble;
    this.#storage = storage;
    this.#matches = matches === true;
    const build = (inputs: MasaInputs) => upscaleGraph(masa, inputs, { storage, matches: this.#matches });
    this.#plans = new PlanCache(device, build, keptBytes);
    this.#windows = new WindowedPlans(device, build, memory);
    this.#runner = new EnsembleRunner(this.#plans, keptBytes);
  }

  /** The function `upscale`. `onMemory` is told only of plans that are new. Throws `GraphError` after `dispose`. */
  upscale(request: UpscaleRequest, options: UpscaleOptions = {}): Promise<ResultOf<Matched>> {
    const result = this.#last.then(() => this.#upscale(request, options));
    this.#last = result.catch(() => {});
    return result as Promise<ResultOf<Matched>>;
  }

  async #upscale(request: UpscaleRequest, options: UpscaleOptions): Promise<UpscaleResult | MatchedResult> {
    options.signal?.throwIfAborted();
    if (this.#disposed) throw new GraphError("the upscaler was disposed", "Make a new one");
    const pair = preparePair(request, this.masa.config.blockSize);
    const found = await this.#run(pair, options).catch((error: unknown) => {
      throw error instanceof OutOfGpuMemoryError ? this.#withSizesThatFit(error, pair) : error;
    });
    const picture = (name: string) => {
      const image = pictureOf(found[name] as Data, pair.lr, { part: partOf(pair), bitDepth: request.lr.bitDepth });
      if (image) return image;
      throw new GpuError("the network's result has values that are infinite or NaN", remedy(this.#storage));
    };
    const geometry = geometryOf(pair, this.masa);
    const result = {
      image: likeSource(picture("sr"), request.lr),
      blocks: geometry.blocks[0] * geometry.blocks[1],
      similarity: similarityOf(found.fineScore as Data),
    };
    if (!this.#matches) return result;
    const matches = Object.fromEntries(MATCHES.map((name) => [name, found[name]])) as unknown as Match["matches"];
    return { ...result, matched: picture("matched"), match: { pair, geometry, matches } };
  }

  async #run(
    pair: PreparedPair,
    { onMemory, onWindows, profiler, ...watch }: UpscaleOptions,
  ): Promise<Readonly<Record<string, Data>>> {
    if (this.#ensemble !== 1) {
      if (profiler)
        throw new ArgumentError(
          "a profiler measures one run of the network, an ensemble has several",
          advice("Omit ensemble or profiler", "Omit --ensemble or --profile"),
        );
      return this.#runner.run(planesOf(pair), this.#ensemble, { onMemory, ...watch });
    }
    const shapes = shapesOf(pair);
    const data = tensorsOf(pair);
    if (!this.#fitsWhole(shapes)) {
      if (profiler)
        throw new ArgumentError(
          "a profiler measures one run of the network, and these images are computed in windows",
          advice("Raise memory, or use smaller images", "Raise --memory, or use smaller images"),
        );
      return this.#runWindows(shapes, data, {
        ...(onMemory && { onMemory }),
        ...(onWindows && { onWindows }),
        ...watch,
      });
    }
    const plan = await phase(profiler, "compile", () => this.#plans.get(shapes, onMemory));
    const unprofiled = await phase(profiler, "warm up", () => plan.run(data, watch));
    if (!profiler) return dataOf(unprofiled);
    watch.onProgress?.({ stage: "profile", done: 0, total: plan.dispatchCount, share: 1 });
    return dataOf(await plan.run(data, { profiler }));
  }

  #fitsWhole(shapes: Record<keyof MasaInputs, Shape>): boolean {
    const key = JSON.stringify(shapes);
    const { device, build, memory } = this.#windows;
    const fits = this.#fits.get(key) ?? fitsWhole(device, shapes, build, memory);
    this.#fits.set(key, fits);
    return fits;
  }

  #runWindows(
    shapes: Record<keyof MasaInputs, Shape>,
    data: Readonly<Record<string, Float32Array>>,
    { onMemory, onWindows, onProgress, signal }: UpscaleOptions,
  ): Promise<Readonly<Record<string, Data>>> {
    const windowed = this.#windows.get(shapes);
    const { estimate } = windowed;
    onMemory?.(estimate.bytes);
    onWindows?.(estimate);
    // Plans that wait for images that fit would take memory on top.
    this.#plans.dispose();
    const whole = 100;
    return windowed.run(data, {
      signal,
      onProgress: ({ stage, share }) => onProgress?.({ stage, done: Math.floor(share * whole), total: whole, share }),
    });
  }

  #withSizesThatFit(error: OutOfGpuMemoryError, pair: PreparedPair): OutOfGpuMemoryError {
    const { tensor, neededBytes, usedBytes, capBytes } = error;
    if (capBytes === undefined) return error;
    const fitting = whatFits(pair, error, (inputs) => this.#bytes(inputs));
    return new OutOfGpuMemoryError(tensor, neededBytes, usedBytes, capBytes, fitting);
  }

  /** Bytes of GPU memory of a plan for inputs of these shapes. */
  #bytes(inputs: Record<keyof MasaInputs, Shape>): number {
    const options = { storage: this.#storage, matches: this.#matches };
    return plan(this.device, inputs, (tensors: MasaInputs) => upscaleGraph(this.masa, tensors, options)).bytes;
  }

  /** Frees the GPU memory of its plans, and ends what runs with a `GraphError`; the weights stay. Safe to repeat. */
  dispose(): void {
    this.#disposed = true;
    this.#plans.dispose();
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** What an `Upscaler` with or without `matches` returns. */
type ResultOf<Matched extends boolean> = Matched extends true ? MatchedResult : UpscaleResult;

/**
 * Enlarges `lr` four times with what the references show. Alpha is enlarged bicubically; grey stays grey; 16 bits stay.
 * Images of any size run within `memory`: those that do not fit at once are computed in windows, with the same bits. A
 * request that exceeds the device's `memoryLimit` is refused before anything is compiled, with sizes that would fit.
 * Throws `ImageError`, `ArgumentError`, `LimitError` (also where the adapter lacks f16), `OutOfGpuMemoryError`, or the
 * signal's reason.
 */
export async function upscale<Matched extends boolean = false>(
  device: Device,
  masa: Masa,
  request: UpscaleRequest,
  {
    storage,
    ensemble,
    memory,
    matches,
    ...options
  }: UpscaleOptions & Pick<UpscalerOptions<Matched>, "storage" | "ensemble" | "memory" | "matches"> = {},
): Promise<ResultOf<Matched>> {
  const upscaler = new Upscaler<Matched>(device, masa, { storage, ensemble, memory, matches });
  try {
    return await upscaler.upscale(request, options);
  } finally {
    upscaler.dispose();
  }
}

/** The choices between kernel variants that a request makes, for the tuner; takes no GPU memory. */
export function upscaleChoices(
  device: Device,
  masa: Masa,
  request: UpscaleRequest,
  storage?: FloatStorage,
): readonly PlanChoice[] {
  const shapes = shapesOf(preparePair(request, masa.config.blockSize));
  return plan(device, shapes, (inputs: MasaInputs) => upscaleGraph(masa, inputs, { storage })).choices;
}

/** How the network cuts a pair. */
function geometryOf({ lr, refDown }: PreparedPair, { config }: Masa): MatchGeometry {
  return matchGeometry({ lr: [lr.height, lr.width], refDown: [refDown.height, refDown.width], ...config });
}

/** What `upscale` computes: the picture, the matches' scores, and if asked for all matches and the pixels that they bring. */
export function upscaleGraph(
  masa: Masa,
  inputs: MasaInputs,
  { storage = "f32", matches: all = false }: Pick<UpscalerOptions, "storage" | "matches"> = {},
): Readonly<Record<string, Tensor>> {
  const { sr, matches, geometry } = masa.forward(inputs, { storage });
  if (!all) return { sr, fineScore: matches.fineScore };
  return { sr, matched: scope("show matches", () => extract(inputs.ref, matches, geometry, SCALE)), ...matches };
}

/** Where the picture lies in the padded result. */
function partOf({ window: { left, top, width, height } }: PreparedPair): Box {
  return { left: SCALE * left, top: SCALE * top, width: SCALE * width, height: SCALE * height };
}

/** Attempts to find sizes that fit before the answer is given up. */
const ATTEMPTS = 4;

/** Sizes to which all images could be shrunk together so that the plan fits, as advice. */
function whatFits(
  pair: PreparedPair,
  { neededBytes, usedBytes, capBytes = 0 }: OutOfGpuMemoryError,
  bytesOf: (shapes: Record<keyof MasaInputs, Shape>) => number,
): string {
  const free = capBytes - usedBytes;
  // Memory grows with the area; a little less makes up for padding.
  let scale = 0.97 * Math.sqrt(Math.max(0, free) / neededBytes);
  for (let i = 0; i < ATTEMPTS; i++, scale *= 0.9) {
    const side = (pixels: number, multiple: number) => multiple * Math.max(1, Math.floor((scale * pixels) / multiple));
    const lr = [side(pair.lr.height, 8), side(pair.lr.width, 8)] as const;
    const refDown = [side(pair.refDown.height, 8), side(pair.refDown.width, 8)] as const;
    const shape = ([height, width]: readonly [number, number], by = 1) => [1, 3, by * height, by * width];
    try {
      if (bytesOf({ lr: shape(lr), ref: shape(refDown, SCALE), refDown: shape(refDown) }) > free) continue;
    } catch (error) {
      // Sizes that the matching cannot cut.
      if (!(error instanceof MasaError)) throw error;
      continue;
    }
    const size = ([height, width]: readonly [number, number], by = 1) => `${by * width}×${by * height}`;
    return `An image of ${size(lr)} with references of ${size(refDown, SCALE)} in all would fit; or raise the limit`;
  }
  return "Use much smaller images and references, or raise the limit";
}

/** The result in the kind of the source: grey if it was grey, with its alpha enlarged. */
function likeSource(image: Image, source: Image): Image {
  const { colour, alpha } = splitAlpha(source);
  const result = colour.channels === 1 ? toGrey(image) : image;
  return alpha ? mergeAlpha(result, resizeBicubic(alpha, result.width, result.height)) : result;
}
