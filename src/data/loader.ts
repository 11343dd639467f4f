/**
 * Batches for the trainer, made by worker threads while the GPU computes. What a batch holds depends on the seed, its
 * epoch and its step only, never on which worker was faster: an interrupted run goes on from any position with the
 * same bits.
 */
import { SCALE } from "../image/pairs.js";
import type { Augmentation } from "./augment.js";
import { DataError } from "./errors.js";
import type { Pair } from "./layouts.js";
import { defaultWorkers, Pool } from "./pool.js";
import { Random } from "./random.js";
import type { BatchTensors, Result, Task, Tensors } from "./tasks.js";

/** Official training images, and what they must be a multiple of: LR widths that the matching takes are multiples of 8. */
export const TRAINING_SIZE = 160;
const SIZE_MULTIPLE = 32;

/** A batch's place in the run; both count from 0. */
export interface Position {
  readonly epoch: number;
  readonly step: number;
}

/**
 * The tensors of a step, f32: `lr` and `refDown` [N, 3, size/4, size/4], `hr` and `ref` [N, 3, size, size], BGR in [0,
 * 1]; `present` [N], 0 for samples without a reference.
 */
export interface Batch extends Position, BatchTensors {
  /** The names of its pairs. */
  readonly names: readonly string[];
}

/** How batches are made. */
export interface LoaderOptions {
  /** Samples in a batch; official training has 9. */
  readonly batch: number;
  readonly seed: number;
  /** Side of HR and Ref, a multiple of 32; default 160. */
  readonly size?: number | undefined;
  readonly workers?: number | undefined;
  /** The part of every batch that is made: `batch / size` samples, those of place `rank`. Default the whole batch. */
  readonly share?: { readonly rank: number; readonly size: number } | undefined;
  /** Ends the workers; what waits for a batch fails with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Another script for the workers, which serves the same tasks. */
  readonly script?: URL | undefined;
}

/** The shapes of a batch of `n` samples whose HR images have sides of `large` pixels. */
export function batchShapes(n: number, large: number): Record<keyof Tensors, [number, number, number, number]> {
  const small = large / SCALE;
  const [hr, lr] = [[n, 3, large, large] as const, [n, 3, small, small] as const];
  return { lr: [...lr], hr: [...hr], ref: [...hr], refDown: [...lr] };
}

/** Training batches out of pairs of files. */
export class Loader {
  readonly size: number;
  /** Every pair is seen once in an epoch, but for the last few that fill no batch. */
  readonly stepsPerEpoch: number;
  readonly #pairs: readonly Pair[];
  readonly #options: LoaderOptions;
  readonly #pool: Pool<Task, Result>;
  readonly #abort = () => void this.dispose();
  #order: { readonly epoch: number; readonly pairs: Uint32Array } | undefined;

  /** Throws `DataError` for a size or a batch that the pairs cannot fill. */
  constructor(pairs: readonly Pair[], options: LoaderOptions) {
    const { batch, size = TRAINING_SIZE, workers = defaultWorkers() } = options;
    if (!Number.isInteger(size / SIZE_MULTIPLE) || size <= 0)
      throw new DataError(`the training size ${size} cannot be used`, `Give a multiple of ${SIZE_MULTIPLE}`);
    if (!Number.isInteger(batch) || batch < 1)
      throw new DataError(`there is no batch of ${batch} samples`, "Give a whole number of at least 1");
    if (pairs.length < batch)
      throw new DataError(
        `${pairs.length} pairs do not fill a batch of ${batch}`,
        "Give a smaller batch or more pairs",
      );
    this.size = size;
    this.stepsPerEpoch = Math.floor(pairs.length / batch);
    this.#pairs = pairs;
    this.#options = options;
    this.#pool = new Pool(options.script ?? new URL("./worker.js", import.meta.url), workers);
    if (options.signal?.aborted) this.#abort();
    else options.signal?.addEventListener("abort", this.#abort);
  }

  /** The shapes of a batch's tensors. */
  get shapes(): ReturnType<typeof batchShapes> {
    const { batch, share } = this.#options;
    return batchShapes(batch / (share?.size ?? 1), this.size);
  }

  /**
   * The batches from `from` on, epoch after epoch without end: stop by leaving the loop. A few are made ahead. A changed
   * augmentation wants a new call; one whose loop has been left costs nothing more than what it made ahead.
   * Fails with `ImageError` for a file that has become unreadable.
   */
  async *batches(from: Position, augmentation: Augmentation): AsyncGenerator<Batch, never, void> {
    if (!Number.isInteger(from.step) || from.step < 0 || from.step >= this.stepsPerEpoch)
      throw new DataError(
        `an epoch of ${this.stepsPerEpoch} steps has no step ${from.step}`,
        "Use the pairs and the batch of the run that is continued",
      );
    const ahead: Promise<Batch>[] = [];
    for (let next = from; ; ) {
      while (ahead.length < this.#pool.count + 2) {
        const batch = this.#make(next, augmentation);
        // Its failure is reported when its turn comes, or never, if the loop is left before.
        batch.catch(() => {});
        ahead.push(batch);
        next = this.#after(next);
      }
      yield await ahead.shift()!;
    }
  }

  /** Ends the workers. Safe to repeat. */
  async dispose(): Promise<void> {
    const { signal } = this.#options;
    signal?.removeEventListener("abort", this.#abort);
    await this.#pool.close(signal?.aborted ? signal.reason : new Error("the loader was closed"));
  }

  /** `dispose`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #after({ epoch, step }: Position): Position {
    return step + 1 < this.stepsPerEpoch ? { epoch, step: step + 1 } : { epoch: epoch + 1, step: 0 };
  }

  async #make({ epoch, step }: Position, augmentation: Augmentation): Promise<Batch> {
    const { batch, seed, share = { rank: 0, size: 1 } } = this.#options;
    const count = batch / share.size;
    const first = step * batch + share.rank * count;
    const samples = [...this.#orderOf(epoch).subarray(first, first + count)].map((index) => ({
      index,
      pair: this.#pairs[index]!,
    }));
    const task = { kind: "batch", samples, seed, epoch, size: this.size, augmentation } as const;
    const tensors = (await this.#pool.run(task)) as BatchTensors;
    return { epoch, step, names: samples.map(({ pair }) => pair.name), ...tensors };
  }

  #orderOf(epoch: number): Uint32Array {
    if (this.#order?.epoch !== epoch) {
      const { seed } = this.#options;
      this.#order = { epoch, pairs: new Random({ seed, epoch }).permutation(this.#pairs.length) };
    }
    return this.#order!.pairs;
  }
}
