/**
 * What of a run is handed to the GPU at once. A submission costs the CPU as much as ten dispatches, and a driver's watchdog
 * takes a GPU that works on one for two seconds for hung: a batch has many small dispatches, or few large ones.
 */
import type { Batch, Command } from "../gpu/device.js";
import { type PlannedDispatch, workOf } from "./dispatches.js";

/** How far a run is: `done` of `total` dispatches of a stage. A stage is an outermost `scope` of the graph. */
export interface PlanProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}

/** Commands of one stage, of which `done` out of `total` come before. */
export interface StageBatch extends Batch, PlanProgress {}

const MOST_DISPATCHES = 64;
/** FLOP of a batch, unless one dispatch alone has more: a third of a second for a GPU that does 50 GFLOP/s. */
const MOST_WORK = 2 ** 34;

/** Cuts the commands of `dispatches` into batches. */
export function batchesOf(commands: readonly Command[], dispatches: readonly PlannedDispatch[]): StageBatch[] {
  const stages = dispatches.map(({ scope }) => scope.split(".")[0] as string);
  const batches: StageBatch[] = [];
  for (let first = 0, end = 0; first < commands.length; first = end) {
    const stage = stages[first] as string;
    while (stages[end] === stage) end++;
    for (let from = first, to = first; from < end; from = to) {
      to = batchEnd(dispatches, from, end);
      batches.push({ stage, done: from - first, total: end - first, commands: commands.slice(from, to) });
    }
  }
  return batches;
}

/** Where the batch that begins at `first` ends. */
function batchEnd(dispatches: readonly PlannedDispatch[], first: number, end: number): number {
  const most = Math.min(end, first + MOST_DISPATCHES);
  let work = 0;
  for (let i = first; i < most; i++) {
    work += workOf(dispatches[i] as PlannedDispatch);
    if (i > first && work > MOST_WORK) return i;
  }
  return most;
}
