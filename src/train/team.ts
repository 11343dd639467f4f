/**
 * The processes of a data-parallel run, as the run sees them. Each has a device with the whole network, computes the
 * gradients of its share of every batch, and applies the same update, so all keep the same parameters without exchanging
 * them. `SOLO` is a run in one process; src/distributed has the ranks of an MPI job.
 */
import type { Device } from "../gpu/device.js";
import type { RunOptions } from "../graph/plan/plan.js";
import type { Variable } from "../graph/trace/tensor.js";
import { GradientAccumulator } from "../nn/accumulation.js";

/** How the gradients of one network are summed over the micro-batches of a batch. */
export interface SumOptions {
  /** Micro-batches in a batch, those of all processes together. */
  readonly microBatches: number;
  /** Names of the losses that are averaged along. */
  readonly losses: readonly string[];
  /** Names the network in messages. */
  readonly name: string;
}

/**
 * The sum of gradients over the micro-batches of a batch, in their order. For each batch: `begin`; for each micro-batch of
 * this process a run of the plan that records `accumulator.add`, then `added`; at the end `finish`, after which
 * `accumulator.gradients` and `.losses` hold the sums over all processes.
 */
export interface GradientSum {
  readonly accumulator: GradientAccumulator;
  /** Bytes of GPU memory, those of the accumulator included. */
  readonly bytes: number;
  /** Takes the memory. Throws `OutOfGpuMemoryError`. */
  allocate(device: Device): Promise<void>;
  /** Starts the sums of a step at zero. */
  begin(): void;
  /** Called when a micro-batch of this process has been added. */
  added(watch: RunOptions): Promise<void>;
  /** Completes the sums with those of the other processes. */
  finish(watch: RunOptions): Promise<void>;
  /** Frees the memory. Safe to repeat. */
  dispose(): void;
}

/** What must be equal in all processes, by what a message calls it: "version", "data". */
export type Identity = Readonly<Record<string, string>>;

/** The processes of a run. All must make the same calls in the same order. */
export interface Team {
  /** This process; 0 validates, logs and writes checkpoints. */
  readonly rank: number;
  readonly size: number;
  /** The value of process 0. */
  share<T>(value: T): Promise<T>;
  /** Does `work` in every process; if it fails in one, all throw. */
  together<T>(work: () => T | Promise<T>): Promise<T>;
  /** Whether any process passes true. */
  any(flag: boolean): Promise<boolean>;
  /** Throws in all processes, naming one and what it has of another value than process 0. */
  compare(identity: Identity | (() => Promise<Identity>)): Promise<void>;
  /** A sum of the gradients of `parameters`. */
  gradientSum(parameters: readonly Variable[], options: SumOptions): GradientSum;
}

/** A run in this process alone. */
export const SOLO: Team = {
  rank: 0,
  size: 1,
  share: (value) => Promise.resolve(value),
  together: async (work) => await work(),
  any: (flag) => Promise.resolve(flag),
  compare: () => Promise.resolve(),
  gradientSum(parameters, options) {
    const accumulator = new GradientAccumulator(parameters, options);
    return {
      accumulator,
      get bytes() {
        return accumulator.bytes;
      },
      allocate: (device) => accumulator.allocate(device),
      begin: () => accumulator.reset(),
      added: () => Promise.resolve(),
      finish: () => Promise.resolve(),
      dispose: () => accumulator.dispose(),
    };
  },
};
