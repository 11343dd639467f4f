/**
 * A batch: pair after pair is read, enlarged, measured and written. What can go wrong with one pair fails that one; what
 * would fail all the others too (no room on the disk, no GPU) ends the batch. Results are there whole or not at all, and
 * those that are there are not made again: a batch that was stopped, in whatever way, goes on when it is run again.
 */
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ALONE, type Workforce } from "../../data/workforce.js";
import { MasaError } from "../../errors.js";
import { checkTarget, makeFolder, removeLeftovers } from "../../files/atomic.js";
import { OutputError } from "../../files/errors.js";
import { checkImagePath, readImage, type WriteOptions, writeImage } from "../../files/images.js";
import { readMetadata } from "../../files/metadata.js";
import { NoAdapterError } from "../../gpu/errors.js";
import type { Image } from "../../image/image.js";
import { psnrY, SSIM_WINDOW, ssimY } from "../../image/metrics.js";
import { SCALE } from "../../image/pairs.js";
import { resizeVisible } from "../../image/transparency.js";
import type { UpscaleResult, Upscaler } from "../run.js";
import { reduceTo } from "../scale.js";
import { type BatchPair, checkResults, type PairImages, readPair } from "./pairs.js";
import { Results, type Row } from "./results.js";

/** How `upscaleBatch` is run and watched. */
export interface BatchOptions {
  /** Opens a device and loads the network: once, and again where the device is lost. Its device is the batch's to close. */
  readonly open: () => Promise<Upscaler>;
  /** Also makes what is there already. */
  readonly overwrite?: boolean | undefined;
  /** The processes that share the batch, each with its own device; default this one alone. */
  readonly workforce?: Workforce | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Above 1, at most 4: by how much images are enlarged. Default 4. */
  readonly scale?: number | undefined;
  /** How results are written. The metadata of an image go into its result. */
  readonly write?: Omit<WriteOptions, "metadata"> | undefined;
  /** Told once how many results were there before, then of each pair that has come to its end. */
  readonly onPair?: ((done: number, outcome: Row | undefined) => void) | undefined;
}

/** What came of a batch. */
export interface BatchSummary {
  /** The file with a row for each pair. */
  readonly table: string;
  /** Results that were there before. */
  readonly skipped: number;
  readonly done: number;
  readonly failed: readonly Row[];
  /** Of all pairs that have a true image, also those done before. */
  readonly measured: readonly Row[];
}

/** Splits pairs into those whose result is in `folder` and those whose is not. */
export function divide(folder: string, pairs: readonly BatchPair[]): { ready: BatchPair[]; todo: BatchPair[] } {
  const isReady = ({ out }: BatchPair) => existsSync(join(folder, out)) && statSync(join(folder, out)).isFile();
  return { ready: pairs.filter(isReady), todo: pairs.filter((pair) => !isReady(pair)) };
}

/**
 * Enlarges `pairs` into `folder`. One pair and the files of the next are held at a time, and the GPU memory of an
 * `Upscaler`. Throws `DataError` before anything is made, `OutputError`, `NoAdapterError`, and the signal's reason; the
 * table is written first.
 */
export async function upscaleBatch(
  folder: string,
  pairs: readonly BatchPair[],
  { open, overwrite = false, workforce = ALONE, signal, onPair, scale = SCALE, write = {} }: BatchOptions,
): Promise<BatchSummary> {
  const results = await workforce.together(() => {
    if (!workforce.chief) return undefined;
    checkResults(folder, pairs);
    return Results.read(folder);
  });
  // All processes divide the pairs in the same way, whatever appears in the folder meanwhile.
  const { ready, todo } = await workforce.share(overwrite ? { ready: [], todo: [...pairs] } : divide(folder, pairs));
  const machine = new Machine(open);
  const failed: Row[] = [];
  try {
    const places = new Set([folder, ...todo.map(({ out }) => dirname(join(folder, out)))]);
    await workforce.together(async () => {
      if (workforce.chief)
        for (const place of places)
          if (!existsSync(place) || statSync(place).isDirectory())
            await checkTarget(join(place, "image"), { parents: true });
      // Where there is no GPU, no folder is made.
      if (todo.length > 0) await machine.start();
    });
    await workforce.together(async () => {
      if (!workforce.chief) return;
      for (const place of places) {
        await makeFolder(place);
        await removeLeftovers(place);
      }
    });
    try {
      await workforce.together(() => results && addMissingRows(results, folder, ready, scale, signal));
      onPair?.(ready.length, undefined);
      let done = ready.length;
      const enlarging = new Enlarging(folder, todo, machine, workforce.alone, { scale, write, signal });
      await workforce.each(
        todo.length,
        (index) => enlarging.work(index),
        async (_, row) => {
          await results?.set(row);
          if (row.status === "failed") failed.push(row);
          onPair?.(++done, row);
        },
      );
    } finally {
      await results?.write(pairs.map(({ out }) => out));
    }
  } finally {
    machine.stop();
  }
  const measured = pairs
    .flatMap(({ out }) => results?.get(out) ?? [])
    .filter(({ psnr }) => psnr !== undefined && psnr !== "");
  const summary = { table: results?.path ?? "", skipped: ready.length, done: todo.length - failed.length };
  return await workforce.share({ ...summary, failed, measured });
}

/** Says what is there of results of which the table says nothing: a kill came between the two. */
async function addMissingRows(
  results: Results,
  folder: string,
  ready: readonly BatchPair[],
  scale: number,
  signal?: AbortSignal,
): Promise<void> {
  for (const pair of ready) {
    if (results.get(pair.out)?.status === "done") continue;
    signal?.throwIfAborted();
    const row = { out: pair.out, lr: pair.lr, status: "done" } as const;
    try {
      const measured =
        pair.hr === undefined ? {} : measure(await readImage(join(folder, pair.out)), await readPair(pair, scale));
      await results.set({ ...row, ...measured });
    } catch (error) {
      if (!concernsOnePair(error)) throw error;
      await results.set({ ...row, error: `not measured: ${error.message}` });
    }
  }
}

/** What is done for each pair. A process that does all of them reads the next files while the GPU computes. */
class Enlarging {
  readonly #next = new Map<number, Promise<PromiseSettledResult<PairImages>>>();

  constructor(
    readonly folder: string,
    readonly todo: readonly BatchPair[],
    readonly machine: Machine,
    readonly readAhead: boolean,
    readonly how: Pick<BatchOptions, "write" | "signal"> & { readonly scale: number },
  ) {}

  async work(index: number): Promise<Row> {
    const { folder, machine } = this;
    const { scale, write, signal } = this.how;
    const { out, lr } = this.todo[index] as BatchPair;
    const images = await this.#read(index);
    this.#next.delete(index);
    if (this.readAhead && index + 1 < this.todo.length) void this.#read(index + 1);
    signal?.throwIfAborted();
    try {
      if (images.status !== "fulfilled") throw images.reason;
      const settings = { ...write, metadata: await readMetadata(lr) };
      checkImagePath(out, images.value.lr, settings);
      const started = performance.now();
      const { similarity, ...large } = await machine.upscale(images.value, signal);
      const image = reduceTo(large.image, images.value.lr, scale);
      const seconds = rounded((performance.now() - started) / 1000, 3);
      const scores = measure(image, images.value);
      await writeImage(join(folder, out), image, settings);
      return { out, lr, status: "done", ...scores, similarity: rounded(similarity, 4), seconds };
    } catch (error) {
      if (!concernsOnePair(error)) throw error;
      return { out, lr, status: "failed", error: error.message };
    }
  }

  #read(index: number): Promise<PromiseSettledResult<PairImages>> {
    let images = this.#next.get(index);
    if (!images) {
      images = Promise.allSettled([readPair(this.todo[index] as BatchPair, this.how.scale)]).then(([result]) => result);
      this.#next.set(index, images);
    }
    return images;
  }
}

/** The GPU with the network, which is started anew where it was lost. */
class Machine {
  #upscaler: Upscaler | undefined;

  constructor(readonly open: () => Promise<Upscaler>) {}

  async start(): Promise<Upscaler> {
    this.#upscaler ??= await this.open();
    return this.#upscaler;
  }

  async upscale(images: PairImages, signal: AbortSignal | undefined): Promise<UpscaleResult> {
    for (let retry = true; ; retry = false) {
      try {
        return await (await this.start()).upscale(images, { ...(signal && { signal }) });
      } catch (error) {
        if (!this.#isBroken()) throw error;
        this.stop();
        if (!retry) throw error;
      }
    }
  }

  /** Whether every further call would fail: the device was lost, or WebGPU has refused something. */
  #isBroken(): boolean {
    try {
      this.#upscaler?.device.check();
      return false;
    } catch {
      return true;
    }
  }

  stop(): void {
    this.#upscaler?.device.dispose();
    this.#upscaler = undefined;
  }
}

/** Whether the other pairs may still succeed. */
function concernsOnePair(error: unknown): error is Error {
  if (error instanceof OutputError || error instanceof NoAdapterError) return false;
  return error instanceof MasaError;
}

function measure(image: Image, { lr, hr }: PairImages): Partial<Row> {
  if (!hr) return {};
  const bicubic = resizeVisible(lr, hr.width, hr.height);
  const [psnr, bicubicPsnr] = [image, bicubic].map((one) => rounded(psnrY(one, hr), 4));
  if (Math.min(hr.width, hr.height) < SSIM_WINDOW) return { psnr, bicubic_psnr: bicubicPsnr };
  const [ssim, bicubicSsim] = [image, bicubic].map((one) => rounded(ssimY(one, hr), 6));
  return { psnr, ssim, bicubic_psnr: bicubicPsnr, bicubic_ssim: bicubicSsim };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
