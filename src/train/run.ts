/**
 * A training run in a folder: data, steps, validation, logs and checkpoints. Everything that a step depends on follows from
 * the configuration, the number of steps made and the state in the checkpoint, so a run that was stopped, or killed, goes
 * on with the bits that it would have had.
 *
 *   OUT/config.json           what the run was told
 *   OUT/checkpoints/          the last few states, and the best (see checkpoint.ts)
 *   OUT/metrics.jsonl         a line for each step and each validation; OUT/tensorboard/ has the same for TensorBoard
 *   OUT/samples/              a sheet of pictures for each validation
 */

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Augmentation, NO_AUGMENTATION } from "../data/augment.js";
import type { CheckOptions } from "../data/check.js";
import { type Batch, Loader } from "../data/loader.js";
import { type PreparedCase, prepareCases } from "../evaluate/evaluate.js";
import type { Scores } from "../evaluate/scores.js";
import { checkTarget, makeFolder, removeLeftovers, writeFileAtomic } from "../files/atomic.js";
import { CheckpointError, OutputError } from "../files/errors.js";
import type { JsonValue } from "../formats/checkpoint.js";
import type { Device } from "../gpu/device.js";
import { formatBytes } from "../gpu/errors.js";
import type { Profiler } from "../gpu/profiler.js";
import { currentChoices } from "../kernels/variants.js";
import { type Checkpoint, Checkpoints, type FoundCheckpoint } from "../models/checkpoint.js";
import { readVgg } from "../models/vgg_weights.js";
import { readMasa } from "../models/weights.js";
import { resumedConfig, type TrainChanges, type TrainConfig, trainConfig } from "./config.js";
import { readTrainingSet, type TrainingSet } from "./dataset.js";
import { METRICS, RunLog } from "./log/run_log.js";
import { Networks } from "./networks.js";
import { learningRate } from "./schedule.js";
import type { StepResult } from "./step.js";
import { Trainer, TrainingError } from "./trainer.js";
import { SAMPLES, validate } from "./validate.js";

/** What a run has come to after a step. */
export interface StepEvent extends StepResult {
  /** Steps made, of `steps` in all; epochs begun, from 1. */
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly lr: number;
  /** Of the step with the preparation of its data. */
  readonly milliseconds: number;
  readonly imagesPerSecond: number;
  /** GPU memory in use. */
  readonly gpuBytes: number;
}

/** What a validation found. */
export interface ValidationEvent {
  readonly step: number;
  readonly mean: Scores;
  readonly best: boolean;
  /** The sheet of samples; none where the network gave no numbers. */
  readonly sheet: string | undefined;
}

/** What a run tells as it goes on. */
export interface TrainEvents {
  /** After each step. */
  readonly onStep?: ((event: StepEvent) => void) | undefined;
  /** An epoch, counted from 1, is done. */
  readonly onEpoch?: ((epoch: number) => void) | undefined;
  /** After each validation. */
  readonly onValidation?: ((event: ValidationEvent) => void) | undefined;
  /** A checkpoint of this step is written. */
  readonly onCheckpoint?: ((path: string, step: number) => void) | undefined;
  /** What is being done before the first step, and what is worth knowing. */
  readonly onMessage?: ((text: string) => void) | undefined;
  /** `done` of `total` files are checked, before the first step. */
  readonly onCheck?: CheckOptions["onProgress"];
}

/** What a run is told. */
export interface TrainOptions extends TrainEvents {
  /** The folder of the run. */
  readonly out: string;
  /** The preset and what is changed of it; when the run goes on, what is changed of how it began. */
  readonly config: TrainChanges;
  /** Goes on from the newest checkpoint in `out`; where there is none, the run begins. */
  readonly resume?: boolean;
  /** When it is aborted, the step is finished and saved, and `train` returns. */
  readonly signal?: AbortSignal | undefined;
  /** Asked before each step for what profiles it. */
  readonly profiler?: (() => Promise<Profiler | undefined>) | undefined;
}

/** How a run ended. */
export interface TrainSummary {
  readonly step: number;
  /** Stopped by the signal, before its end. */
  readonly stopped: boolean;
  readonly skipped: number;
  readonly best: Best | null;
  /** The newest checkpoint: `masa upscale --weights` takes it. */
  readonly checkpoint: string;
}

const CONFIG = "config.json";

/** Equal images have an infinite PSNR, which a checkpoint cannot hold. */
const EQUAL_PSNR = 1000;

/** The validation with the highest mean PSNR. */
export interface Best {
  readonly psnr: number;
  readonly step: number;
}

/** What a checkpoint holds besides tensors. Data position and random numbers follow from `step`. */
interface RunState {
  readonly config: TrainConfig;
  readonly step: number;
  readonly updates: Trainer["updates"];
  readonly skipped: number;
  readonly skippedInRow: number;
  readonly best: Best | null;
  /** Of the names of the pairs, in their order. */
  readonly pairs: string;
  readonly adapter: string;
  /** The variants of kernels that the step takes, by the key of the choice; early checkpoints have none. */
  readonly choices?: Readonly<Record<string, string>>;
}

/**
 * Trains a network on `device` until its last step or until the signal is aborted. Throws before the first step
 * `ConfigError`, `DataError`, `CheckpointError`, `OutputError`, `LimitError`, `OutOfGpuMemoryError`; later
 * `TrainingError` where steps have no finite gradient, and what a full disk or a lost device throws.
 */
export async function train(device: Device, options: TrainOptions): Promise<TrainSummary> {
  const { out, signal, onMessage } = options;
  const found = await findRun(options);
  const saved = found && savedState(found);
  const config = saved ? resumedConfig(saved.config, options.config) : trainConfig(options.config);
  for (const { path, reason } of found?.skipped ?? []) onMessage?.(`${path} is left aside: ${reason}`);
  const data = await readTrainingSet(config, { signal, onProgress: options.onCheck });
  if (saved && saved.pairs !== data.hash)
    throw new CheckpointError(
      `${config.data} has not the pairs that the run in ${out} began with`,
      "Give the same pairs, or begin a new run with --init from its best checkpoint",
    );
  const cases = await prepareCases(data.test);
  onMessage?.(`${data.pairs.length} training pairs, ${cases.length} validation cases`);
  signal?.throwIfAborted();
  const networks = await createNetworks(device, config, found !== undefined);
  let run: Run | undefined;
  try {
    run = await Run.open(device, options, { config, data, cases, networks, found, saved });
    return await run.train();
  } finally {
    networks.dispose();
    await run?.close();
  }
}

/** The newest checkpoint in the folder, if the run is to go on; refuses to begin where another run is. */
async function findRun({ out, config, resume = false }: TrainOptions): Promise<FoundCheckpoint | undefined> {
  await checkFolder(out);
  const folder = new Checkpoints(join(out, "checkpoints"), 1);
  if (resume) {
    await removeLeftovers(out);
    const found = await folder.newest();
    if (!found && config.data === undefined)
      throw new CheckpointError(
        `${out} holds no checkpoint to go on from`,
        "Check --out, or give --data to begin there",
      );
    return found;
  }
  // A config that cannot be meant is the first thing to be told.
  trainConfig(config);
  if ((await folder.isUsed()) || existsSync(join(out, METRICS)))
    throw new OutputError(`${out} holds a training run already`, "Go on with it by --resume, or give another --out");
  return undefined;
}

/** Whether the folder, or the one where it will be made, can be written: asked before a data set is read for minutes. */
async function checkFolder(out: string): Promise<void> {
  let folder = resolve(out);
  while (!existsSync(folder)) folder = dirname(folder);
  await checkTarget(join(folder, CONFIG));
}

function savedState({ path, checkpoint: { state } }: FoundCheckpoint): RunState {
  const fault = ["config", "step", "updates", "pairs"].find((key) => state[key] === undefined);
  if (fault)
    throw new CheckpointError(`the checkpoint ${path} has no ${fault}`, "Give one that masa train has written");
  const saved = state as unknown as RunState;
  return { ...saved, ...(saved.choices && { choices: currentChoices(saved.choices) }) };
}

async function createNetworks(device: Device, config: TrainConfig, resumed: boolean): Promise<Networks> {
  const fillVgg =
    config.per > 0 && config.vgg ? await readVgg(config.vgg, config.vggLayer, config.vggOrder) : undefined;
  const init = config.init !== null && !resumed ? await readMasa(config.init, config) : undefined;
  const networks = new Networks(config, config.size, await init?.(device));
  try {
    await networks.allocate(device, config.seed, fillVgg);
  } catch (error) {
    networks.dispose();
    throw error;
  }
  return networks;
}

function describe({ parameters }: Networks, device: Device): string {
  const counts = Object.entries(parameters).map(([name, { all }]) => {
    const count = all.reduce((sum, { size }) => sum + size, 0);
    return `${name} ${count.toLocaleString("en-US")}`;
  });
  return `parameters: ${counts.join(", ")}; ${formatBytes(device.memory().bytes)} of GPU memory`;
}

interface Start {
  readonly config: TrainConfig;
  readonly data: TrainingSet;
  readonly cases: readonly PreparedCase[];
  readonly networks: Networks;
  readonly found: FoundCheckpoint | undefined;
  readonly saved: RunState | undefined;
}

class Run {
  readonly #checkpoints: Checkpoints;
  #step = 0;
  #skipped = 0;
  #skippedInRow = 0;
  #best: Best | null = null;
  /** Of the newest checkpoint. */
  #path = "";
  #savedStep = -1;

  private constructor(
    readonly device: Device,
    readonly options: TrainOptions,
    readonly start: Start,
    readonly loader: Loader,
    readonly trainer: Trainer,
    readonly log: RunLog,
  ) {
    this.#checkpoints = new Checkpoints(join(options.out, "checkpoints"), start.config.keep);
    const { saved, found } = start;
    if (!saved || !found) return;
    this.#step = saved.step;
    this.#skipped = saved.skipped;
    this.#skippedInRow = saved.skippedInRow;
    this.#best = saved.best;
    this.#path = found.path;
    this.#savedStep = saved.step;
  }

  static async open(device: Device, options: TrainOptions, start: Start): Promise<Run> {
    const { config, data, networks, found, saved } = start;
    const { out, signal } = options;
    const { batch, seed, size, workers } = config;
    const loader = new Loader(data.pairs, { batch, seed, size, ...(workers !== null && { workers }) });
    let trainer: Trainer | undefined;
    let log: RunLog | undefined;
    try {
      // What the run began with comes before what was found to be faster since.
      const choices = new Map([...device.choices, ...Object.entries(saved?.choices ?? {})]);
      trainer = await Trainer.create(device, networks, config, loader.shapes, { choices });
      if (saved && found) trainer.restore(found.checkpoint.tensors, saved.updates, found.path);
      options.onMessage?.(describe(networks, device));
      signal?.throwIfAborted();
      await makeFolder(out);
      for (const folder of [out, join(out, SAMPLES)]) await removeLeftovers(folder);
      await writeFileAtomic(join(out, CONFIG), Buffer.from(`${JSON.stringify(config, undefined, 2)}\n`));
      log = await RunLog.open(out, saved?.step ?? (options.resume ? 0 : undefined));
      const run = new Run(device, options, start, loader, trainer, log);
      await run.#begin();
      return run;
    } catch (error) {
      trainer?.dispose();
      log?.close();
      await loader.close();
      throw error;
    }
  }

  async #begin(): Promise<void> {
    const { saved } = this.start;
    const { onMessage } = this.options;
    await this.#checkpoints.prepare();
    if (!saved) return await this.#save(false);
    onMessage?.(`goes on from step ${saved.step}, ${this.#path}`);
    for (const message of this.#differences(saved)) onMessage?.(message);
  }

  /** What will give a resumed run other bits than it would have had. */
  #differences({ adapter, choices = {} }: RunState): string[] {
    const here = this.device.info.name;
    const { choices: taken } = this.trainer;
    const lost = Object.entries(choices).filter(([key, variant]) => taken.has(key) && taken.get(key) !== variant);
    const [key, variant] = lost[0] ?? [];
    return [
      ...(adapter === here ? [] : [`the run was on ${adapter}; here its bits will differ`]),
      ...(key ? [`${here} has not all the run's variants, as ${variant} for ${key}; its bits will differ`] : []),
    ];
  }

  get #steps(): number {
    const { steps, stopAt, epochs } = this.start.config;
    return Math.min(steps ?? epochs * this.loader.stepsPerEpoch, stopAt ?? Number.POSITIVE_INFINITY);
  }

  async train(): Promise<TrainSummary> {
    const { signal } = this.options;
    while (this.#step < this.#steps && !signal?.aborted) await this.#trainAlike();
    if (this.#savedStep !== this.#step) await this.#save(false);
    const stopped = this.#step < this.#steps;
    return { step: this.#step, stopped, skipped: this.#skipped, best: this.#best, checkpoint: this.#path };
  }

  /** Trains until the augmentation changes. */
  async #trainAlike(): Promise<void> {
    const { signal } = this.options;
    const { stepsPerEpoch } = this.loader;
    const position = { epoch: Math.floor(this.#step / stepsPerEpoch), step: this.#step % stepsPerEpoch };
    const augmentation = this.#augmentation(position.epoch);
    let began = performance.now();
    for await (const batch of this.loader.batches(position, augmentation)) {
      if (JSON.stringify(this.#augmentation(batch.epoch)) !== JSON.stringify(augmentation)) return;
      await this.#trainStep(batch, began);
      if (this.#step >= this.#steps || signal?.aborted) return;
      began = performance.now();
    }
  }

  #augmentation(epoch: number): Augmentation {
    const { augment, geometryFrom, orient, dropReference } = this.start.config;
    const changes = { exchange: true, colour: true, geometry: epoch >= geometryFrom, together: orient === "together" };
    return { ...(augment ? changes : NO_AUGMENTATION), dropReference };
  }

  async #trainStep(batch: Batch, began: number): Promise<void> {
    const { config } = this.start;
    const lr = learningRate(config, this.#step, this.loader.stepsPerEpoch);
    const { lr: low, hr, ref, refDown, present } = batch;
    const profiler = await this.options.profiler?.();
    const result = await this.trainer.step(
      { lr: low, hr, ref, refDown, ...(config.dropReference > 0 && { present }) },
      { lr, discriminatorLr: config.discriminatorLr },
      profiler && { profiler },
    );
    this.#step++;
    this.#skipped += Number(result.skipped !== undefined);
    this.#skippedInRow = result.skipped === undefined ? 0 : this.#skippedInRow + 1;
    const milliseconds = performance.now() - began;
    const event: StepEvent = {
      ...{ ...result, lr, milliseconds, step: this.#step, steps: this.#steps, epoch: batch.epoch + 1 },
      imagesPerSecond: (1000 * config.batch) / milliseconds,
      gpuBytes: this.device.memory().bytes,
    };
    this.log.step(event);
    this.options.onStep?.(event);
    if (batch.step + 1 === this.loader.stepsPerEpoch) this.options.onEpoch?.(batch.epoch + 1);
    if (this.#skippedInRow >= config.maxSkips) throw this.#diverged(result.skipped as string);
    await this.#afterStep();
  }

  #diverged(name: string): TrainingError {
    return new TrainingError(
      `${this.#skippedInRow} steps in a row gave no finite gradient: ${name} is infinite or NaN`,
      `Begin a new run with --init ${this.#path} and a smaller --lr, or with --clip 1`,
    );
  }

  /** Validates and saves where it is due. */
  async #afterStep(): Promise<void> {
    const { checkpointEvery, validateEvery } = this.start.config;
    const ends = this.#step === this.#steps;
    let best = false;
    if (this.start.cases.length > 0 && (ends || this.#step % validateEvery === 0)) {
      const { out, onValidation } = this.options;
      const { mean, sheet } = await validate(this.device, this.trainer.result, this.start.cases, out, this.#step);
      const psnr = Math.min(mean.psnr, EQUAL_PSNR);
      best = psnr > (this.#best?.psnr ?? Number.NEGATIVE_INFINITY);
      if (best) this.#best = { psnr, step: this.#step };
      this.log.validation(this.#step, mean, sheet);
      onValidation?.({ step: this.#step, mean, best, sheet: sheet?.path });
    }
    if (best || ends || this.#step % checkpointEvery === 0) await this.#save(best);
  }

  async #save(best: boolean): Promise<void> {
    const state: RunState = {
      ...{ config: this.start.config, step: this.#step, updates: this.trainer.updates, skipped: this.#skipped },
      ...{ skippedInRow: this.#skippedInRow, best: this.#best, pairs: this.start.data.hash },
      ...{ adapter: this.device.info.name, choices: Object.fromEntries(this.trainer.choices) },
    };
    this.log.flush();
    const tensors = await this.trainer.tensors();
    const checkpoint: Checkpoint = { tensors, state: state as unknown as Record<string, JsonValue> };
    this.#path = await this.#checkpoints.save(this.#step, checkpoint, { best });
    this.#savedStep = this.#step;
    this.options.onCheckpoint?.(this.#path, this.#step);
  }

  async close(): Promise<void> {
    this.trainer.dispose();
    await this.loader.close();
    this.log.close();
  }
}
