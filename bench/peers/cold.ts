/** The cold start as a row of the table: a new process without caches for each time, see bench/cold.ts. */
import { UNCACHED } from "../cold.js";
import type { CompareOptions } from "./compare.js";
import { type Program, RunnerProcess } from "./process.js";
import { messageOf, type RunReply } from "./serve.js";
import type { Row } from "./workloads.js";

export interface ColdStart extends Row {
  /** Milliseconds on the clock and of CPU time. */
  readonly wall: readonly number[];
  readonly cpu: readonly number[];
  readonly failure?: string | undefined;
}

type Options = Pick<CompareOptions, "limit" | "signal">;

export async function coldStart({ args }: Program, row: Row, count: number, options: Options): Promise<ColdStart> {
  const [wall, cpu]: [number[], number[]] = [[], []];
  try {
    while (wall.length < count) {
      const run = await once({ args, env: UNCACHED }, row, options);
      wall.push(run.wall);
      cpu.push(run.cpu);
    }
  } catch (error) {
    return { ...row, wall, cpu, failure: messageOf(error) };
  }
  return { ...row, wall, cpu };
}

async function once(program: Program, { name }: Row, { limit, signal }: Options): Promise<RunReply> {
  signal?.throwIfAborted();
  const runner = new RunnerProcess(program);
  const close = () => runner.close();
  signal?.addEventListener("abort", close);
  try {
    await runner.ask({ prepare: name }, limit);
    return await runner.ask<RunReply>({ run: true }, limit);
  } finally {
    signal?.removeEventListener("abort", close);
    close();
  }
}
