/** What the workers do. Each task holds all it depends on, so that it gives the same result wherever it runs. */
import { ImageError } from "../files/errors.js";
import { inspectImage, readImage } from "../files/images.js";
import { toTensor } from "../image/image.js";
import { SCALE } from "../image/pairs.js";
import { type Augmentation, makeSample } from "./augment.js";
import type { Pair } from "./layouts.js";
import { Random } from "./random.js";

export interface CheckTask {
  readonly kind: "check";
  readonly files: readonly CheckedFile[];
}

export interface CheckedFile {
  readonly path: string;
  /** The shortest side it may have. */
  readonly minimum: number;
  /** The longest side it may have; default any. */
  readonly maximum?: number;
}

export interface BatchTask {
  readonly kind: "batch";
  readonly samples: readonly { readonly index: number; readonly pair: Pair }[];
  readonly seed: number;
  readonly epoch: number;
  readonly size: number;
  readonly augmentation: Augmentation;
}

export type Task = CheckTask | BatchTask;

/** Of each batch, by name: float32 in [0, 1], BGR, [N, 3, size, size] and [N, 3, size/4, size/4]. */
export interface Tensors {
  readonly lr: Float32Array;
  readonly hr: Float32Array;
  readonly ref: Float32Array;
  readonly refDown: Float32Array;
}

/** What the workers make of a batch: its images, and for each sample 1, or 0 where its reference is withheld, [N]. */
export interface BatchTensors extends Tensors {
  readonly present: Float32Array;
}

/** The faults of a check, or the tensors of a batch. */
export type Result = readonly string[] | BatchTensors;

export async function handle(task: Task): Promise<{ result: Result; transfer: ArrayBuffer[] }> {
  if (task.kind === "check") return { result: await check(task), transfer: [] };
  const tensors = await makeBatch(task);
  return { result: tensors, transfer: Object.values(tensors).map(({ buffer }) => buffer as ArrayBuffer) };
}

/** One line for each file that cannot be used. */
async function check({ files }: CheckTask): Promise<string[]> {
  const faults: string[] = [];
  for (const { path, minimum, maximum = Number.POSITIVE_INFINITY } of files) {
    try {
      const { width, height } = await inspectImage(path);
      if (Math.min(width, height) < minimum)
        faults.push(`${path} has ${width}×${height} pixels, fewer than ${minimum}×${minimum}`);
      if (Math.max(width, height) > maximum)
        faults.push(`${path} has ${width}×${height} pixels, more than ${maximum}×${maximum}`);
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      faults.push(error.problem);
    }
  }
  return faults;
}

export async function makeBatch({ samples, seed, epoch, size, augmentation }: BatchTask): Promise<BatchTensors> {
  const [large, small] = [3 * size ** 2, 3 * (size / SCALE) ** 2];
  const room = (values: number) => new Float32Array(samples.length * values);
  const tensors = { lr: room(small), hr: room(large), ref: room(large), refDown: room(small), present: room(1) };
  const { dropReference = 0 } = augmentation;
  for (const [i, { index, pair }] of samples.entries()) {
    const images = [await readImage(pair.hr), await readImage(pair.ref)] as const;
    const random = new Random({ seed, epoch, sample: index });
    const sample = makeSample(images, size, random, augmentation);
    // Drawn last, so that all else is the same whatever the share.
    tensors.present[i] = random.uniform() < dropReference ? 0 : 1;
    for (const name of ["lr", "hr", "ref", "refDown"] as const) {
      const values = toTensor(sample[name]);
      tensors[name].set(values, i * values.length);
    }
  }
  return tensors;
}
