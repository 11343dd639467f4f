/** The worker: decodes, computes and encodes, while the page stays awake. It holds the device and the network between runs. */
import { expose } from "comlink";
import {
  type AdapterInfo,
  type Device,
  type Ensemble,
  type Image,
  type ImageFileType,
  imageFile,
  loadMasa,
  type Match,
  openDevice,
  psnrY,
  readImage,
  resizeVisible,
  similarityMap,
  tintedBlocks,
  tintedReference,
  Upscaler,
} from "../src/browser/index.js";

export interface Request {
  readonly lr: Image;
  readonly refs: readonly Image[];
  /** What `lr` was made from, if that is known. */
  readonly truth?: Image | undefined;
  /** The number of orientations whose mean is the result. */
  readonly ensemble: Ensemble;
}

/** How far a run is. */
export interface Step {
  readonly stage: string;
  /** Of all the work, 0 to 1. */
  readonly share: number;
  /** Of GPU memory that are about to be taken. */
  readonly bytes?: number;
}

export interface Outcome {
  readonly image: Image;
  readonly bicubic: Image;
  /** The reference's pixels where they were matched. */
  readonly matched: Image;
  readonly match: Match;
  readonly blocks: number;
  /** Mean cosine similarity of the matches. */
  readonly similarity: number;
  readonly seconds: number;
  /** Of GPU memory in use. */
  readonly bytes: number;
  /** PSNR on Y in dB, of the result and of the bicubic enlargement. */
  readonly psnr?: { readonly image: number; readonly bicubic: number } | undefined;
}

/** Colours laid over the pictures of a match. */
export interface MatchPictures {
  readonly blocks: Image;
  readonly reference: Image;
  readonly similarity: Image;
  readonly low: number;
  readonly high: number;
}

export class Engine {
  #device: Device | undefined;
  #upscaler: Upscaler<true> | undefined;
  #ensemble: Ensemble = 1;
  #weights: File | undefined;
  #running: AbortController | undefined;
  /** Resolves when the last run has ended. */
  #ended: Promise<unknown> = Promise.resolve();

  /** The adapter that everything runs on. Throws `NoAdapterError`. */
  async open(): Promise<AdapterInfo> {
    return (await this.#open()).info;
  }

  /** The device; a new one where the last is lost. */
  async #open(): Promise<Device> {
    try {
      this.#device?.check();
    } catch {
      this.#device?.dispose();
      this.#device = undefined;
      this.#upscaler = undefined;
    }
    this.#device ??= await openDevice({ powerPreference: "high-performance" });
    return this.#device;
  }

  /** Takes these weights from now on, by default the page's own. Throws `CheckpointError`; then the last ones stay. */
  async useWeights(file?: File): Promise<{ readonly parameters: number; readonly channels: number }> {
    const device = await this.#open();
    const masa = await loadMasa(device, file);
    await this.#ended;
    this.#upscaler?.dispose();
    this.#upscaler?.masa.parameters.dispose();
    this.#upscaler = new Upscaler(device, masa, { ensemble: this.#ensemble, matches: true });
    this.#weights = file;
    return { parameters: masa.parameters.count, channels: masa.config.channels };
  }

  readImage(file: Blob, name: string): Promise<Image> {
    return readImage(file, name);
  }

  imageFile(image: Image, type: ImageFileType, quality: number): Promise<Blob> {
    return imageFile(image, type, quality);
  }

  /** Enlarges. Throws what `upscale` throws, and an AbortError after `cancel`. */
  upscale(request: Request, onStep: (step: Step) => void): Promise<Outcome> {
    const run = this.#upscale(request, onStep);
    this.#ended = run.catch(() => {});
    return run;
  }

  async #upscale({ lr, refs, truth, ensemble }: Request, onStep: (step: Step) => void): Promise<Outcome> {
    const running = new AbortController();
    this.#running = running;
    const device = await this.#open();
    const last = this.#upscaler;
    if (!last || ensemble !== this.#ensemble) {
      this.#upscaler = new Upscaler(device, last?.masa ?? (await loadMasa(device, this.#weights)), {
        ensemble,
        matches: true,
      });
      this.#ensemble = ensemble;
      last?.dispose();
    }
    const started = performance.now();
    const onProgress = ({ stage, share }: Step) => onStep({ stage, share });
    const onMemory = (bytes: number) => onStep({ stage: "prepare", share: 0, bytes });
    const watch = { signal: running.signal, onProgress, onMemory };
    const result = await (this.#upscaler as Upscaler<true>).upscale({ lr, refs }, watch);
    const seconds = (performance.now() - started) / 1000;
    const { image } = result;
    const bicubic = resizeVisible(lr, image.width, image.height);
    const psnr = truth && { image: psnrY(image, truth), bicubic: psnrY(bicubic, truth) };
    return { ...result, bicubic, seconds, bytes: device.memory().bytes, psnr };
  }

  /** Ends the run after what the GPU is doing now. */
  cancel(): void {
    this.#running?.abort();
  }

  matchPictures(match: Match): MatchPictures {
    const { image, low, high } = similarityMap(match);
    return { blocks: tintedBlocks(match), reference: tintedReference(match), similarity: image, low, high };
  }
}

expose(new Engine());
