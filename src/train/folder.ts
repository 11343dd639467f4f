/** The folder of a run: its configuration, logs, checkpoints and samples (run.ts lists the files). One process writes it. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { PreparedCase } from "../evaluate/evaluate.js";
import { checkTarget, makeFolder, removeLeftovers, writeFileAtomic } from "../files/atomic.js";
import { CheckpointError, OutputError } from "../files/errors.js";
import type { JsonValue } from "../formats/checkpoint.js";
import type { Device } from "../gpu/device.js";
import { currentChoices } from "../kernels/variants.js";
import { Checkpoints, type FoundCheckpoint } from "../models/checkpoint.js";
import { type TrainConfig, trainConfig } from "./config.js";
import type { StepEvent } from "./events.js";
import { METRICS, RunLog } from "./log/run_log.js";
import type { TrainOptions } from "./run.js";
import type { Trainer } from "./trainer.js";
import { SAMPLES, validate } from "./validate.js";

const CONFIG = "config.json";

/** Equal images have an infinite PSNR, which a checkpoint cannot hold. */
const EQUAL_PSNR = 1000;

/** The validation with the highest mean PSNR. */
export interface Best {
  readonly psnr: number;
  readonly step: number;
}

/** What a checkpoint holds besides tensors. Data position and random numbers follow from `step`. */
export interface RunState {
  readonly config: TrainConfig;
  readonly step: number;
  readonly updates: Trainer["updates"];
  readonly skipped: number;
  readonly skippedInRow: number;
  readonly best: Best | null;
  /** Of the names of the pairs, in their order. */
  readonly pairs: string;
  readonly adapter: string;
  /** Names of the losses; early checkpoints have none. */
  readonly losses?: readonly string[];
  /** The variants of kernels that the step takes, by the key of the choice; early checkpoints have none. */
  readonly choices?: Readonly<Record<string, string>>;
}

/** The newest checkpoint in the folder, if the run is to go on; refuses to begin where another run is. */
export async function findRun({ out, config, resume = false }: TrainOptions): Promise<FoundCheckpoint | undefined> {
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

/** The state that a checkpoint holds. Throws `CheckpointError` where it is not that of a training run. */
export function savedState({ path, checkpoint: { state } }: FoundCheckpoint): RunState {
  const fault = ["config", "step", "updates", "pairs"].find((key) => state[key] === undefined);
  if (fault)
    throw new CheckpointError(`the checkpoint ${path} has no ${fault}`, "Give one that masa train has written");
  const saved = state as unknown as RunState;
  return { ...saved, ...(saved.choices && { choices: currentChoices(saved.choices) }) };
}

/** The folder while a run writes it. */
export class RunFolder {
  /** The best validation so far. */
  best: Best | null;
  /** The newest checkpoint, and its step. */
  path: string;
  savedStep: number;
  readonly #checkpoints: Checkpoints;
  readonly #options: TrainOptions;
  readonly #cases: readonly PreparedCase[];
  readonly #log: RunLog;

  private constructor(
    options: TrainOptions,
    checkpoints: Checkpoints,
    log: RunLog,
    cases: readonly PreparedCase[],
    saved: RunState | undefined,
    path: string,
  ) {
    this.#options = options;
    this.#checkpoints = checkpoints;
    this.#log = log;
    this.#cases = cases;
    this.best = saved?.best ?? null;
    this.path = path;
    this.savedStep = saved?.step ?? -1;
  }

  /** Makes the folder and opens the logs, at the step of `saved` where the run goes on from `path`. */
  static async open(
    options: TrainOptions,
    config: TrainConfig,
    cases: readonly PreparedCase[],
    saved: RunState | undefined,
    path = "",
  ): Promise<RunFolder> {
    const { out, resume } = options;
    await makeFolder(out);
    for (const folder of [out, join(out, SAMPLES)]) await removeLeftovers(folder);
    await writeFileAtomic(join(out, CONFIG), Buffer.from(`${JSON.stringify(config, undefined, 2)}\n`));
    const log = await RunLog.open(out, saved?.step ?? (resume ? 0 : undefined));
    const checkpoints = new Checkpoints(join(out, "checkpoints"), config.keep);
    try {
      await checkpoints.prepare();
    } catch (error) {
      log.close();
      throw error;
    }
    return new RunFolder(options, checkpoints, log, cases, saved, path);
  }

  step(event: StepEvent): void {
    this.#log.step(event);
  }

  /** Validates where there are cases; gives whether it is the best so far. */
  async validate(device: Device, trainer: Trainer, step: number): Promise<boolean> {
    if (this.#cases.length === 0) return false;
    const { out, onValidation } = this.#options;
    const { mean, sheet } = await validate(device, trainer.result, this.#cases, out, step);
    const psnr = Math.min(mean.psnr, EQUAL_PSNR);
    const best = psnr > (this.best?.psnr ?? Number.NEGATIVE_INFINITY);
    if (best) this.best = { psnr, step };
    this.#log.validation(step, mean, sheet);
    onValidation?.({ step, mean, best, sheet: sheet?.path });
    return best;
  }

  /** Writes a checkpoint. */
  async save(trainer: Trainer, state: Omit<RunState, "best">, best: boolean): Promise<void> {
    this.#log.flush();
    const whole: RunState = { ...state, best: this.best };
    const checkpoint = { tensors: await trainer.tensors(), state: whole as unknown as Record<string, JsonValue> };
    this.path = await this.#checkpoints.save(state.step, checkpoint, { best });
    this.savedStep = state.step;
    this.#options.onCheckpoint?.(this.path, state.step);
  }

  close(): void {
    this.#log.close();
  }
}
