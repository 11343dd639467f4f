/**
 * Finds out which variant of each kernel is the fastest on a device, at the shapes of a plan.
 *
 * Each operation that had a choice is recorded for itself once for every candidate, on stand-ins of its inputs: a small
 * plan that is run, checked against the default's results, and timed in turns with the others (race.ts). What costs most
 * comes first, so that a budget of time buys the most.
 */

import { MasaError } from "../../errors.js";
import type { Device } from "../../gpu/device.js";
import { Timestamps } from "../../gpu/timestamps.js";
import type { PlanChoice } from "../plan/dispatches.js";
import type { Plan } from "../plan/plan.js";
import type { Node } from "../trace/tensor.js";
import { median, race } from "./race.js";
import { Trial } from "./trial.js";

/** How long `tune` searches, and by which clock. */
export interface TuneOptions {
  /** Milliseconds after which nothing new is measured; default a minute. */
  readonly budget?: number | undefined;
  /** Ends the search as the budget does. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Tells the milliseconds that runs are timed by: where the adapter is software, those of the CPU's work are the steadiest.
   * Default: the adapter's timestamps, where it has them.
   */
  readonly clock?: (() => number) | undefined;
  /** Told before each choice that is measured, and at the end. */
  readonly onProgress?: ((progress: TuneProgress) => void) | undefined;
}

/** How many of the choices to be measured are done. */
export interface TuneProgress {
  readonly done: number;
  readonly total: number;
}

/** A choice that was made. */
export interface Tuned {
  readonly key: string;
  /** How often the plans have it to make. */
  readonly count: number;
  /** Median milliseconds of the candidates, the default first; none where the choice was not worth the while. */
  readonly times: ReadonlyMap<string, number>;
  readonly chosen: string;
  /** Candidates that failed here, with a message. */
  readonly failed: ReadonlyMap<string, string>;
}

/** Choices that together have less than this part of the work keep their defaults. */
const NEGLIGIBLE = 0.01;
/** Milliseconds that a sample takes at least, in as many runs as that needs, but in no more than these. */
const SAMPLE = 20;
const MOST_RUNS = 50;
/** Passes that the plan of one operation may have, for all runs of a sample. */
const PASSES = 2048;
/**
 * Makes those of the choices that plans asked for (`plan.choices`) which `device.choices` does not know yet. Gives what
 * there was time for, the most work first, and changes nothing. Throws what a lost device throws.
 */
export async function tune(
  device: Device,
  asked: readonly PlanChoice[],
  { budget = 60_000, signal, clock, onProgress }: TuneOptions = {},
): Promise<Tuned[]> {
  const began = performance.now();
  const ended = () => signal?.aborted === true || performance.now() - began > budget;
  const { worthwhile, rest } = tasksOf(asked.filter(({ key }) => !device.choices.has(key)));
  const timestamps = clock ? undefined : await Timestamps.create(device, PASSES);
  const tuned: Tuned[] = [];
  try {
    const stopwatch = new Stopwatch(device, clock ?? (() => performance.now()), timestamps);
    for (const [done, task] of worthwhile.entries()) {
      onProgress?.({ done, total: worthwhile.length });
      const result = await settle(device, task, stopwatch, ended);
      if (ended()) return result ? [...tuned, result] : tuned;
      if (result) tuned.push(result);
    }
    onProgress?.({ done: worthwhile.length, total: worthwhile.length });
  } finally {
    timestamps?.dispose();
  }
  return [...tuned, ...rest.map(untimed)];
}

/** All the times that a choice is to be made; one of the operations stands for all. */
interface Task {
  readonly key: string;
  readonly candidates: PlanChoice["candidates"];
  readonly node: Node;
  readonly count: number;
  readonly work: number;
}

/** The tasks by falling work, and those that come to nothing. */
function tasksOf(asked: readonly PlanChoice[]): { readonly worthwhile: Task[]; readonly rest: Task[] } {
  const tasks = new Map<string, Task>();
  for (const { key, candidates, node, work } of asked) {
    const { count, work: before } = tasks.get(key) ?? { count: 0, work: 0 };
    tasks.set(key, { key, candidates, node, count: count + 1, work: before + work });
  }
  const sorted = [...tasks.values()].sort((a, b) => b.work - a.work);
  const total = sorted.reduce((sum, { work }) => sum + work, 0);
  const worthwhile: Task[] = [];
  let left = total;
  for (const task of sorted) {
    if (left <= NEGLIGIBLE * total) break;
    worthwhile.push(task);
    left -= task.work;
  }
  return { worthwhile, rest: sorted.slice(worthwhile.length) };
}

function untimed({ key, count, candidates }: Task): Tuned {
  return { key, count, chosen: candidates[0] as string, times: new Map(), failed: new Map() };
}

/** Times runs of plans. */
class Stopwatch {
  constructor(
    readonly device: Device,
    readonly clock: () => number,
    readonly timestamps: Timestamps | undefined,
  ) {}

  /** Milliseconds of one run, the mean of `runs`. */
  async time(plan: Plan, runs: number): Promise<number> {
    const { device, clock, timestamps } = this;
    await device.finish();
    const began = clock();
    for (let i = 0; i < runs; i++) await plan.replay({}, timestamps);
    if (timestamps) return (await timestamps.read()).reduce((sum, pass) => sum + pass, 0) / runs;
    await device.finish();
    return (clock() - began) / runs;
  }
}

/** Makes one choice; undefined where time ran out, or where not even the default runs alone. */
async function settle(
  device: Device,
  { key, candidates, node, count }: Task,
  stopwatch: Stopwatch,
  ended: () => boolean,
): Promise<Tuned | undefined> {
  const trial = new Trial(device, node, key);
  const failed = new Map<string, string>();
  try {
    for (const name of candidates) {
      if (ended()) return undefined;
      const failure = await attempt(device, () => trial.add(name));
      if (failure === undefined) continue;
      failed.set(name, `${name} for ${key}: ${failure}`);
      if (name === candidates[0]) return undefined;
    }
    const once = await stopwatch.time(trial.plan(candidates[0] as string), 1);
    const runs = Math.min(MOST_RUNS, Math.max(1, Math.ceil(SAMPLE / once)));
    const working = candidates.filter((name) => !failed.has(name));
    const result = await race(working, (name) => stopwatch.time(trial.plan(name), runs), ended);
    if (!result) return undefined;
    const times = new Map([...result.times].map(([name, samples]) => [name, median(samples)]));
    return { key, count, times, chosen: result.winner, failed };
  } finally {
    trial.dispose();
  }
}

/** The message of what `step` throws, unless that is a lost device or a fault of the program. */
async function attempt(device: Device, step: () => Promise<void>): Promise<string | undefined> {
  try {
    await step();
    return undefined;
  } catch (error) {
    device.check();
    if (!(error instanceof MasaError)) throw error;
    return error.message;
  }
}
