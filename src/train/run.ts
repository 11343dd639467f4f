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

import { type Augmentation, NO_AUGMENTATION } from "../data/augment.js";
import { type Batch, Loader } from "../data/loader.js";
import { type PreparedCase, prepareCases } from "../evaluate/evaluate.js";
import { CheckpointError } from "../files/errors.js";
import type { Device } from "../gpu/device.js";
import { formatBytes } from "../gpu/errors.js";
import type { Profiler } from "../gpu/profiler.js";
import { readMasa } from "../models/load.js";
import { readVgg } from "../models/vgg.js";
import { ConfigError, resumedConfig, type TrainChanges, type TrainConfig, trainConfig } from "./config.js";
import type { Objective } from "./custom_objective.js";
import { fingerprint, readTrainingSet, type TrainingSet } from "./dataset.js";
import type { StepEvent, TrainEvents } from "./events.js";
import { type Best, findRun, RunFolder, type RunState, savedState } from "./folder.js";
import { codeIdentity, compareParameters, type SharedCheckpoint, shareCheckpoint } from "./identity.js";
import { Networks } from "./networks.js";
import { learningRate } from "./schedule.js";
import { SOLO, type Team } from "./team.js";
import { Trainer, TrainingError } from "./trainer.js";

export type { StepEvent, TrainEvents, ValidationEvent } from "./events.js";
export type { Best } from "./folder.js";

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
  /** The processes of a data-parallel run; default this one alone. Only the one of rank 0 reads and writes `out`. */
  readonly team?: Team | undefined;
  /** Losses in place of the configured ones; a run that resumes is given them again. */
  readonly objective?: Objective | undefined;
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

/**
 * Trains a network on `device` until its last step or until the signal is aborted. Throws before the first step
 * `ConfigError`, `DataError`, `CheckpointError`, `OutputError`, `LimitError`, `OutOfGpuMemoryError`; later
 * `TrainingError` where steps have no finite gradient, and what a full disk or a lost device throws.
 */
export async function train(device: Device, options: TrainOptions): Promise<TrainSummary> {
  const { out, signal, onMessage, team = SOLO } = options;
  await team.compare(codeIdentity);
  const found = await shareCheckpoint(
    team,
    await team.together(() => (team.rank === 0 ? findRun(options) : undefined)),
  );
  const { saved, config } = await team.share(
    await team.together(() => {
      const saved = found && savedState(found);
      const told = saved ? resumedConfig(saved.config, options.config) : trainConfig(options.config);
      return { saved, config: dividedConfig(told, team.size) };
    }),
  );
  for (const { path, reason } of found?.skipped ?? []) onMessage?.(`${path} is left aside: ${reason}`);
  const data = await team.together(() => readTrainingSet(config, { signal, onProgress: options.onCheck }, team));
  if (saved && saved.pairs !== data.hash)
    throw new CheckpointError(
      `${config.data} has not the pairs that the run in ${out} began with`,
      "Give the same pairs, or begin a new run with --init from its best checkpoint",
    );
  await team.compare(async () => ({ data: await fingerprint(data.pairs), adapter: device.info.name }));
  const cases = team.rank === 0 ? await prepareCases(data.test) : [];
  onMessage?.(`${data.pairs.length} training pairs, ${cases.length} validation cases`);
  signal?.throwIfAborted();
  const networks = await team.together(() => createNetworks(device, config, found !== undefined));
  let run: Run | undefined;
  try {
    run = await Run.open(device, options, { config, data, cases, networks, found, saved });
    return await team.share(await run.train());
  } finally {
    networks.dispose();
    await run?.close();
  }
}

/** With several processes, a batch has at least one micro-batch for each: recorded, so that a resumed run has the same. */
function dividedConfig(config: TrainConfig, processes: number): TrainConfig {
  const { batch, microBatch } = config;
  if (processes === 1) return config;
  const divided = { ...config, microBatch: microBatch ?? batch / processes };
  if (batch % processes !== 0 || (batch / divided.microBatch) % processes !== 0)
    throw new ConfigError(
      `the batch of ${batch} samples${microBatch === null ? "" : ` in micro-batches of ${microBatch}`} cannot be divided over ${processes} processes`,
      "Give a --batch whose number of micro-batches is a multiple of the processes, or start another number of them",
    );
  return divided;
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
  readonly found: SharedCheckpoint | undefined;
  readonly saved: RunState | undefined;
}

class Run {
  #step = 0;
  #skipped = 0;
  #skippedInRow = 0;
  /** All processes know that one of them was told to stop. */
  #stopping = false;

  private constructor(
    readonly device: Device,
    readonly options: TrainOptions,
    readonly start: Start,
    readonly loader: Loader,
    readonly trainer: Trainer,
    readonly team: Team,
    /** Where the run is recorded; in the process of rank 0. */
    readonly folder: RunFolder | undefined,
  ) {
    const { saved } = start;
    if (!saved) return;
    this.#step = saved.step;
    this.#skipped = saved.skipped;
    this.#skippedInRow = saved.skippedInRow;
  }

  static async open(device: Device, options: TrainOptions, start: Start): Promise<Run> {
    const { config, data, cases, networks, found, saved } = start;
    const { signal, team = SOLO, objective, out } = options;
    const { batch, seed, size, workers } = config;
    const loader = new Loader(data.pairs, { batch, seed, size, share: team, ...(workers !== null && { workers }) });
    let trainer: Trainer | undefined;
    try {
      // What the run began with comes before what was found to be faster since.
      const choices = new Map(await team.share([...device.choices, ...Object.entries(saved?.choices ?? {})]));
      const wanted = { choices, team, objective };
      trainer = await team.together(() => Trainer.create(device, networks, config, loader.shapes, wanted));
      await team.compare({
        "kernel variants": JSON.stringify([...trainer.choices].sort()),
        "names of the losses": trainer.losses.join(),
      });
      if (saved?.losses && saved.losses.join() !== trainer.losses.join())
        throw new CheckpointError(
          `the run in ${out} minimises ${saved.losses.join(", ")}, not ${trainer.losses.join(", ")}`,
          "Pass the objective that it was started with",
        );
      if (saved && found) trainer.restore(found.checkpoint.tensors, saved.updates, found.path);
      options.onMessage?.(describe(networks, device));
      signal?.throwIfAborted();
      const folder = await team.together(() =>
        team.rank === 0 ? RunFolder.open(options, config, cases, saved, found?.path) : undefined,
      );
      const run = new Run(device, options, start, loader, trainer, team, folder);
      await run.#begin();
      return run;
    } catch (error) {
      trainer?.dispose();
      await loader.dispose();
      throw error;
    }
  }

  async #begin(): Promise<void> {
    const { saved } = this.start;
    const { onMessage } = this.options;
    await compareParameters(this.team, this.trainer, this.#step);
    if (!saved) return await this.#save(false);
    onMessage?.(`goes on from step ${saved.step}, ${this.folder?.path}`);
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
    await this.#agreeToStop();
    while (this.#step < this.#steps && !this.#stopping) await this.#trainAlike();
    if (this.folder && this.folder.savedStep !== this.#step) await this.#save(false);
    const { best = null, path: checkpoint = "" } = this.folder ?? {};
    return { step: this.#step, stopped: this.#step < this.#steps, skipped: this.#skipped, best, checkpoint };
  }

  async #agreeToStop(): Promise<void> {
    this.#stopping = await this.team.any(this.options.signal?.aborted ?? false);
  }

  /** Trains until the augmentation changes. */
  async #trainAlike(): Promise<void> {
    const { stepsPerEpoch } = this.loader;
    const position = { epoch: Math.floor(this.#step / stepsPerEpoch), step: this.#step % stepsPerEpoch };
    const augmentation = this.#augmentation(position.epoch);
    let began = performance.now();
    for await (const batch of this.loader.batches(position, augmentation)) {
      if (JSON.stringify(this.#augmentation(batch.epoch)) !== JSON.stringify(augmentation)) return;
      await this.#trainStep(batch, began);
      await this.#agreeToStop();
      if (this.#step >= this.#steps || this.#stopping) return;
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
    this.folder?.step(event);
    this.options.onStep?.(event);
    if (batch.step + 1 === this.loader.stepsPerEpoch) this.options.onEpoch?.(batch.epoch + 1);
    if (this.#skippedInRow >= config.maxSkips) throw this.#diverged(result.skipped as string);
    await this.#afterStep();
  }

  #diverged(name: string): TrainingError {
    return new TrainingError(
      `${this.#skippedInRow} steps in a row gave no finite gradient: ${name} is infinite or NaN`,
      `Begin a new run with --init ${this.folder?.path} and a smaller --lr, or with --clip 1`,
    );
  }

  /** Compares, validates and saves where it is due. */
  async #afterStep(): Promise<void> {
    const { checkpointEvery, validateEvery, compareEvery } = this.start.config;
    const ends = this.#step === this.#steps;
    const due = (every: number) => ends || this.#step % every === 0;
    if (due(compareEvery)) await compareParameters(this.team, this.trainer, this.#step);
    const validates = this.folder && due(validateEvery);
    const best = validates ? await this.folder.validate(this.device, this.trainer, this.#step) : false;
    if (best || due(checkpointEvery)) await this.#save(best);
  }

  async #save(best: boolean): Promise<void> {
    const { config, data } = this.start;
    const { updates, choices, losses } = this.trainer;
    const state = {
      ...{ config, step: this.#step, updates, skipped: this.#skipped, skippedInRow: this.#skippedInRow, losses },
      ...{ pairs: data.hash, adapter: this.device.info.name, choices: Object.fromEntries(choices) },
    };
    await this.folder?.save(this.trainer, state, best);
  }

  async close(): Promise<void> {
    this.trainer.dispose();
    await this.loader.dispose();
    this.folder?.close();
  }
}
