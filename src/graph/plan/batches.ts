/**
 * What of a run is handed to the GPU at once. A submission costs the CPU as much as ten dispatches, and a driver's watchdog
 * takes a GPU that works on one for two seconds for hung: a batch has many small dispatches, or few large ones.
 */
import type { Batch, Command } from "../../gpu/device.js";
import { type PlannedDispatch, workOf } from "./dispatches.js";

/** How far a run is: `done` of `total` dispatches of a stage. A stage is an outermost `scope` of the graph. */
export interface PlanProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  /** Of the whole run's work, 0 to 1, how much is done: an estimate by arithmetic and bytes moved. */
  readonly share: number;
}

/** Commands of one stage, of which `done` out of `total` come before. */
export interface StageBatch extends Batch, PlanProgress {
  /** `share` when they are done. */
  readonly shareAfter: number;
}

const MOST_DISPATCHES = 64;
/** FLOP of a batch, unless one dispatch alone has more: a third of a second for a GPU that does 50 GFLOP/s. */
const MOST_WORK = 2 ** 34;
/** The same for adapters that compute on the CPU: seconds at 1 GFLOP/s. No watchdog sees to them, but who cancels waits. */
const MOST_WORK_IN_SOFTWARE = 2 ** 31;

/** Cuts the commands of `dispatches` into batches, smaller ones for adapters that are `software`. */
export function batchesOf(
  commands: readonly Command[],
  dispatches: readonly PlannedDispatch[],
  software = false,
): StageBatch[] {
  const most = software ? MOST_WORK_IN_SOFTWARE : MOST_WORK;
  const stages = dispatches.map(({ scope }) => scope.split(".")[0] as string);
  const work = dispatches.map(workOf);
  const all = work.reduce((sum, one) => sum + one, 0);
  const batches: StageBatch[] = [];
  let before = 0;
  for (let first = 0, end = 0; first < commands.length; first = end) {
    const stage = stages[first] as string;
    while (stages[end] === stage) end++;
    for (let from = first, to = first; from < end; from = to) {
      to = batchEnd(work, from, end, most);
      const after = work.slice(from, to).reduce((sum, one) => sum + one, before);
      const shares = all > 0 ? { share: before / all, shareAfter: after / all } : { share: 0, shareAfter: 1 };
      batches.push({ stage, done: from - first, total: end - first, ...shares, commands: commands.slice(from, to) });
      before = after;
    }
  }
  return batches;
}

/** Where the batch that begins at `first` ends. */
function batchEnd(work: readonly number[], first: number, end: number, most: number): number {
  const last = Math.min(end, first + MOST_DISPATCHES);
  let sum = 0;
  for (let i = first; i < last; i++) {
    sum += work[i] as number;
    if (i > first && sum > most) return i;
  }
  return last;
}
