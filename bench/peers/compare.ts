/**
 * Takes the times. All runners make a row ready, and run it once without the clock; then every round runs it on each of
 * them, so that what else the machine does meanwhile meets all alike. A time counts only if what was computed is right.
 */
import { type Program, RunnerDied, RunnerProcess } from "./process.js";
import { type Machine, messageOf, type ReadyReply, type RunReply } from "./serve.js";
import type { Row } from "./workloads.js";

export interface Contestant {
  readonly name: string;
  /** Ours, what is compared with it by its speed, and what is only shown: another machine, our own naive kernel. */
  readonly role: "ours" | "peer" | "shown";
  /** Has to run on our adapter. */
  readonly webgpu: boolean;
  readonly program: Program;
  /** Why it cannot even be started. */
  readonly missing?: string | undefined;
  /** The rows that it takes part in; default all. */
  takes?(row: Row): boolean;
}

export interface Outcome {
  /** Milliseconds of each round. */
  readonly wall: number[];
  readonly cpu: number[];
  /** Of each run, the one without the clock too. */
  readonly loss: number[];
  failure?: string;
}

export interface RowResult extends Row {
  readonly flops: number;
  readonly outcomes: Readonly<Record<string, Outcome>>;
}

export interface CompareOptions {
  readonly rounds: number;
  /** Milliseconds that a contestant's rounds of a row may take; two are always run, if so many are wanted. */
  readonly budget: number;
  /** Milliseconds after which a runner that does not answer is given up. */
  readonly limit: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: string) => void;
}

/** Runs the rows one after another. The first contestant is ours. */
export class Comparison {
  readonly #lanes: readonly Lane[];

  constructor(
    contestants: readonly Contestant[],
    readonly options: CompareOptions,
  ) {
    this.#lanes = contestants.map((contestant) => new Lane(contestant, options));
  }

  /** Our own adapter, once a row was run. */
  get machine(): Machine | undefined {
    return this.#lanes[0]?.machine;
  }

  async row(row: Row): Promise<RowResult> {
    const { signal, rounds, onStep } = this.options;
    const lanes = this.#lanes.filter(({ contestant }) => contestant.takes?.(row) ?? true);
    for (const lane of lanes) {
      signal?.throwIfAborted();
      onStep?.(`${row.name}: ${lane.contestant.name} prepares`);
      await lane.prepare(row, this.#lanes[0] as Lane);
    }
    for (let round = 0; round < rounds; round++)
      // Each goes first in turn: who follows whom must not decide.
      for (const i of lanes.keys()) {
        signal?.throwIfAborted();
        const lane = lanes[(i + round) % lanes.length] as Lane;
        onStep?.(`${row.name}: round ${round + 1}/${rounds}, ${lane.contestant.name}`);
        await lane.round(round);
      }
    signal?.throwIfAborted();
    for (const lane of lanes) lane.compareLoss(this.#lanes[0] as Lane);
    const outcomes = Object.fromEntries(lanes.map(({ contestant, outcome }) => [contestant.name, outcome]));
    return { ...row, flops: this.#lanes[0]?.flops ?? 0, outcomes };
  }

  close(): void {
    for (const lane of this.#lanes) lane.close();
  }
}

/** A contestant and its process. */
class Lane {
  #process: RunnerProcess | undefined;
  machine: Machine | undefined;
  flops = 0;
  outcome: Outcome = { wall: [], cpu: [], loss: [] };

  constructor(
    readonly contestant: Contestant,
    readonly options: CompareOptions,
  ) {}

  async prepare({ name }: Row, ours: Lane): Promise<void> {
    this.outcome = { wall: [], cpu: [], loss: [] };
    await this.#attempt(async () => {
      const { missing, program, webgpu } = this.contestant;
      if (missing !== undefined) throw new Error(missing);
      this.#process ??= new RunnerProcess(program);
      const ready = await this.#process.ask<ReadyReply>({ prepare: name }, this.options.limit);
      this.machine = ready.adapter;
      this.flops = ready.flops;
      if (webgpu && ours.machine && ours.machine.name !== this.machine.name)
        throw new Error(`runs on ${this.machine.name}, ours on ${ours.machine.name}`);
      await this.#run();
    });
  }

  async round(round: number): Promise<void> {
    const { wall } = this.outcome;
    const spent = wall.reduce((sum, time) => sum + time, 0);
    const isDue = round < 2 || spent + spent / wall.length <= this.options.budget;
    // Rounds are compared by their numbers: who leaves one out stays out.
    if (this.outcome.failure !== undefined || wall.length < round || !isDue) return;
    await this.#attempt(async () => {
      const { wall, cpu } = await this.#run();
      this.outcome.wall.push(wall);
      this.outcome.cpu.push(cpu);
    });
  }

  async #run(): Promise<RunReply> {
    const reply = await (this.#process as RunnerProcess).ask<RunReply>({ run: true }, this.options.limit);
    // A number that is none comes as null.
    if (!(typeof reply.error === "number" && reply.error <= 1))
      throw new Error(`wrong results: the largest error is ${reply.error} times its bound`);
    if (reply.loss !== undefined) this.outcome.loss.push(reply.loss);
    return reply;
  }

  /** Training steps show what they compute by the next one's loss. */
  compareLoss(ours: Lane): void {
    if (this.outcome.failure !== undefined || ours.outcome.failure !== undefined) return;
    const problem = lossProblem(ours.outcome.loss, this.outcome.loss);
    if (problem) this.#fail(problem);
  }

  /** A failure is this row's own; after a death the next row gets a new process. */
  async #attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (error instanceof RunnerDied) {
        this.close();
        this.#process = undefined;
      }
      this.#fail(messageOf(error));
    }
  }

  #fail(failure: string): void {
    this.outcome = { wall: [], cpu: [], loss: this.outcome.loss, failure };
  }

  close(): void {
    this.#process?.close();
  }
}

/** Relative rounding of a mean of a million terms, in whatever order they are added. */
const LOSS_ROUNDING = 1e-5;
/** How far apart what the loss falls by may be: it is a thousandth of the loss, so that the same rounding shows. */
const FALL = 0.02;

/** Why the losses of the same training steps cannot both be right, or undefined. */
export function lossProblem(ours: readonly number[], theirs: readonly number[]): string | undefined {
  for (const [step, loss] of theirs.slice(0, ours.length).entries()) {
    const expected = ours[step] as number;
    const [fall, rightFall] = [(theirs[0] as number) - loss, (ours[0] as number) - expected];
    const isRight =
      step === 0
        ? Math.abs(loss - expected) <= LOSS_ROUNDING * expected
        : Math.abs(fall - rightFall) <= FALL * Math.abs(rightFall);
    if (!isRight) return `wrong results: loss ${loss} after ${step} steps, ours ${expected}`;
  }
  return undefined;
}
