/** What the parts of the stress test share: a folder, pairs of noise, and `masa train` in processes of its own. */
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TrainChanges } from "../../src/train/config.js";
import { type Ended, masa } from "../cli/masa.js";
import { putPairs } from "../data/files.js";
import { hash } from "../files/golden.js";
import { digestOf, figuresOf, SMALLEST, temporaryFiles } from "../train/runs.js";

/** Held out to validate with is one; 6 make 3 steps an epoch. */
const PAIRS = 7;
/** Milliseconds between two lines of progress where stderr is no terminal. */
const LINE_TIME = 10_000;

/** A run with everything that a run can have but VGG19. */
export const FULL: TrainChanges = {
  ...SMALLEST,
  average: 0.9,
  clip: 0.5,
  warmup: 5,
  geometryFrom: 2,
  adv: 0.01,
  discriminatorChannels: 2,
};

/** The part does not hold what it promises. */
export class Failure extends Error {}

/** The part cannot be tried on this machine. */
export class NotRun extends Error {}

export class Setup {
  readonly folder = mkdtempSync(join(tmpdir(), "masa-stress-"));
  readonly data = join(this.folder, "data");
  #draws = 0;
  #lastLine = 0;

  /** Everything that is random follows from `seed`. */
  constructor(readonly seed: number) {
    process.once("exit", () => rmSync(this.folder, { recursive: true, force: true }));
  }

  async prepare(): Promise<void> {
    await putPairs(this.data, PAIRS);
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  /** In [0, 1). */
  random(): number {
    return hash(this.seed, this.#draws++) / 2 ** 32;
  }

  progress(text: string): void {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
    else if (Date.now() - this.#lastLine > LINE_TIME) {
      this.#lastLine = Date.now();
      process.stderr.write(`${text}\n`);
    }
  }

  /** `masa train` with a configuration, in a new process. */
  train(out: string, changes: TrainChanges, meanwhile?: (child: ChildProcess) => void): Promise<Ended> {
    return masa(["train", "--out", out, ...optionsOf({ data: this.data, ...changes })], {}, meanwhile);
  }

  /** The same with `--resume`, told only what changes. */
  resume(out: string, changes: TrainChanges = {}, meanwhile?: (child: ChildProcess) => void): Promise<Ended> {
    return masa(["train", "--out", out, "--resume", ...optionsOf(changes)], {}, meanwhile);
  }

  /** A run that nothing disturbs. */
  async undisturbed(name: string, changes: TrainChanges): Promise<Finished> {
    const out = this.path(name);
    return { out, ...(await finished(out, await this.train(out, changes))) };
  }
}

export interface Finished {
  readonly out: string;
  /** Of the last checkpoint. */
  readonly digest: string;
  /** Without those of the clock. */
  readonly figures: string;
}

/** What a run has come to that ended by itself. */
export async function finished(out: string, ended: Ended): Promise<Omit<Finished, "out">> {
  if (ended.code !== 0) throw new Failure(`a run ended with code ${ended.code}: ${ended.stderr}`);
  const path = /^done at step \d+, (.*)$/m.exec(ended.stdout)?.[1];
  if (path === undefined) throw new Failure(`a run did not say that it is done: ${ended.stdout}`);
  const left = temporaryFiles(out);
  if (left.length > 0) throw new Failure(`temporary files are left: ${left.join(", ")}`);
  return { digest: await digestOf(path), figures: JSON.stringify(await figuresOf(out)) };
}

/** Throws unless two runs have the same bits and told the same figures. */
export function expectSame(run: Omit<Finished, "out">, whole: Finished, what: string): void {
  if (run.digest !== whole.digest) throw new Failure(`${what}: the tensors are ${run.digest}, not ${whole.digest}`);
  if (run.figures !== whole.figures)
    throw new Failure(`${what}: metrics.jsonl is\n${run.figures}\nnot\n${whole.figures}`);
}

/** Calls `reached` when the run's metrics tell of a step; ends with the process. */
export function whenAtStep(out: string, step: number, child: ChildProcess, reached: () => void): void {
  const path = join(out, "metrics.jsonl");
  const timer = setInterval(() => {
    if (!existsSync(path) || !readFileSync(path, "utf8").includes(`{"step":${step},`)) return;
    clearInterval(timer);
    reached();
  }, 2);
  child.once("exit", () => clearInterval(timer));
}

function optionsOf(changes: TrainChanges): string[] {
  return Object.entries(changes).flatMap(([key, value]) => [
    `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    String(value),
  ]);
}
