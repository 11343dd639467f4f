/**
 * Self-ensembling (R. Timofte et al., "Seven ways to improve example-based single image super resolution", CVPR 2016): the
 * network sees LR and reference flipped and transposed, each result is turned back, and the mean of all is the result. It
 * costs as many runs as there are orientations, and gains a little everywhere: errors of single runs average out.
 *
 * Orientations of equal shapes run as one batch if its plan fits the memory that is granted, else one after another.
 */
import { ArgumentError } from "../errors.js";
import type { Device } from "../gpu/device.js";
import { LimitError } from "../gpu/errors.js";
import { type Data, dataOf, type PlanProgress, plan, type Result } from "../graph/plan/plan.js";
import type { PlanCache } from "../graph/plan/plan_cache.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { type Image, toTensor } from "../image/image.js";
import { SCALE } from "../image/pairs.js";
import type { Shape } from "../kernels/kernel.js";
import type { MasaInputs } from "./masa.js";

/** Number of orientations: 1 is the network alone, 4 all flips, 8 the transposed images' as well. */
export type Ensemble = 1 | 4 | 8;

/** Throws `ArgumentError` for a number of orientations that there is not. */
export function checkEnsemble(ensemble: number): void {
  if (![1, 4, 8].includes(ensemble))
    throw new ArgumentError(`an ensemble cannot have ${ensemble} orientations`, "Choose 1, 4 or 8");
}

/** Three channels of one image, [3, H, W]. */
export interface Planes {
  readonly data: Float32Array;
  readonly width: number;
  readonly height: number;
}

export function toPlanes(image: Image): Planes {
  return { data: toTensor(image), width: image.width, height: image.height };
}

/** One of the eight orientations: first rows become columns, then columns and rows are reversed. */
export interface Orientation {
  readonly transposed: boolean;
  readonly flipX: boolean;
  readonly flipY: boolean;
}

/** The images themselves come first. Those of the first four have the same shape. */
export const ORIENTATIONS: readonly Orientation[] = [false, true].flatMap((transposed) =>
  [false, true].flatMap((flipY) => [false, true].map((flipX) => ({ transposed, flipX, flipY }))),
);

/** The planes in another orientation. */
export function oriented({ data, width, height }: Planes, orientation: Orientation): Planes {
  const target = new Float32Array(data.length);
  eachPixel(width, height, orientation, (from, to) => {
    target[to] = data[from] as number;
  });
  return { data: target, ...(orientation.transposed ? { width: height, height: width } : { width, height }) };
}

/** Adds planes that were `oriented`, turned back, to sums of `width`×`height`. */
function addBack(sums: Float64Array, data: Float32Array, width: number, height: number, orientation: Orientation) {
  eachPixel(width, height, orientation, (at, from) => {
    sums[at] = (sums[at] as number) + (data[from] as number);
  });
}

/** Calls `visit` with the index of each element in planes of `width`×`height`, and in the same planes oriented. */
function eachPixel(
  width: number,
  height: number,
  { transposed, flipX, flipY }: Orientation,
  visit: (plain: number, turned: number) => void,
): void {
  const [columns, rows] = transposed ? [height, width] : [width, height];
  for (let c = 0; c < 3; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const [u, v] = transposed ? [y, x] : [x, y];
        const turned = (flipY ? rows - 1 - v : v) * columns + (flipX ? columns - 1 - u : u);
        visit((c * height + y) * width + x, c * width * height + turned);
      }
}

/** The network's inputs on the CPU. */
export type Pictures = Readonly<Record<keyof MasaInputs, Planes>>;

/** How the runs are watched and stopped. */
export interface EnsembleWatch {
  /** Told before any GPU memory is taken. */
  readonly onMemory?: ((bytes: number) => void) | undefined;
  readonly onProgress?: ((progress: PlanProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type EnsembleOutput<Out extends string> = Readonly<Record<Out, Data>> & {
  readonly sr: Float32Array;
  readonly milliseconds: number;
};

/** Runs the plans of a cache in all orientations. */
export class EnsembleRunner<Out extends string> {
  /** How many orientations run at once, by the shapes of one. */
  readonly #batches = new Map<string, 1 | 2 | 4>();

  /** A batch whose plan needs more than `batchBytes` of GPU memory is divided. */
  constructor(
    readonly plans: PlanCache<MasaInputs, Readonly<Record<"sr" | Out, Tensor>>>,
    readonly batchBytes: number,
  ) {}

  /**
   * `sr` is the mean of all orientations; the other outputs are those of the images as they are. `milliseconds` are those of
   * the runs with upload and readback, without preparation.
   */
  async run(
    pictures: Pictures,
    ensemble: Ensemble,
    { onMemory, onProgress, signal }: EnsembleWatch = {},
  ): Promise<EnsembleOutput<Out>> {
    const orientations = ORIENTATIONS.slice(0, ensemble);
    const runs = this.#divide(pictures, orientations);
    const [width, height] = [SCALE * pictures.lr.width, SCALE * pictures.lr.height];
    const sums = new Float64Array(3 * width * height);
    let first: Record<"sr" | Out, Data> | undefined;
    let milliseconds = 0;
    for (const [i, run] of runs.entries()) {
      const turned = run.map((one) => map(pictures, (planes) => oriented(planes, one)));
      const plan = await this.plans.get(shapesOf(turned[0] as Pictures, run.length), onMemory);
      const inputs = map(turned[0] as Pictures, (_, name) => concatenate(turned.map((one) => one[name].data)));
      const watch = onProgress && partOf(onProgress, i, runs.length);
      const started = performance.now();
      const options = { ...(signal && { signal }), ...(watch && { onProgress: watch }) };
      const found = dataOf((await plan.run(inputs, options)) as Readonly<Record<"sr" | Out, Result>>);
      milliseconds += performance.now() - started;
      const part = (data: Data, k: number) =>
        data.subarray((k * data.length) / run.length, ((k + 1) * data.length) / run.length);
      first ??= Object.fromEntries(Object.entries<Data>(found).map(([name, data]) => [name, part(data, 0)])) as Record<
        "sr" | Out,
        Data
      >;
      for (const [k, one] of run.entries()) addBack(sums, part(found.sr, k) as Float32Array, width, height, one);
    }
    const sr = Float32Array.from(sums, (sum) => sum / orientations.length);
    return { ...(first as Record<Out, Data>), sr, milliseconds };
  }

  /** Orientations that run at once have equal shapes. */
  #divide(pictures: Pictures, orientations: readonly Orientation[]): Orientation[][] {
    const runs: Orientation[][] = [];
    for (const transposed of [false, true]) {
      const alike = orientations.filter((one) => one.transposed === transposed);
      if (alike.length === 0) continue;
      const size =
        alike.length === 1 ? 1 : this.#batchOf(map(pictures, (planes) => oriented(planes, alike[0] as Orientation)));
      for (let i = 0; i < alike.length; i += size) runs.push(alike.slice(i, i + size));
    }
    return runs;
  }

  /** The most orientations whose plan fits. */
  #batchOf(pictures: Pictures): 1 | 2 | 4 {
    const key = JSON.stringify(shapesOf(pictures, 1));
    const size =
      this.#batches.get(key) ??
      ([4, 2] as const).find((size) => this.#fits(this.plans.device, shapesOf(pictures, size))) ??
      1;
    this.#batches.set(key, size);
    return size;
  }

  #fits(device: Device, shapes: Readonly<Record<keyof MasaInputs, Shape>>): boolean {
    try {
      return plan(device, shapes, this.plans.build).bytes <= this.batchBytes;
    } catch (error) {
      if (error instanceof LimitError) return false;
      throw error;
    }
  }
}

function shapesOf(pictures: Pictures, count: number): Record<keyof MasaInputs, Shape> {
  return map(pictures, ({ width, height }) => [count, 3, height, width]);
}

function map<T>(
  { lr, ref, refDown }: Pictures,
  of: (planes: Planes, name: keyof MasaInputs) => T,
): Record<keyof MasaInputs, T> {
  return { lr: of(lr, "lr"), ref: of(ref, "ref"), refDown: of(refDown, "refDown") };
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0] as Float32Array;
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The progress of run `index` of `count` as that of all. */
function partOf(onProgress: (progress: PlanProgress) => void, index: number, count: number) {
  return ({ stage, done, total, share }: PlanProgress) =>
    onProgress({ stage, done: index * total + done, total: count * total, share: (index + share) / count });
}
