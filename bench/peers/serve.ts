/**
 * A runner's side of the comparison: a process that prepares and runs workloads as its parent asks, in JSON lines.
 * Inputs are on the device before the clock starts; it stops when the device has nothing left to do. Every run is checked.
 */
import { createInterface } from "node:readline";
import type { Device } from "../../src/gpu/device.js";
import { generator } from "../../src/graph/trace/parameters.js";
import type { Arrays } from "../case.js";
import { findWorkload, inputsOf, type Operation, peerInputs, type Values, type Workload } from "./workloads.js";

/** From the parent: make a workload ready, in place of the last one; run it once. */
export type Request = { readonly prepare: string } | { readonly run: true };

export type Reply = ReadyReply | RunReply | { readonly failure: string };

/** What a runner computes on. */
export interface Machine {
  readonly name: string;
  /** The processor of this process: its CPU time is the time of the work. */
  readonly software: boolean;
}

export interface ReadyReply {
  readonly adapter: Machine;
  readonly flops: number;
}

export interface RunReply {
  /** Milliseconds on the clock, and of this process on all cores. */
  readonly wall: number;
  readonly cpu: number;
  /** Largest error as a part of its bound. */
  readonly error: number;
  /** Of a training step: tells more of what went before it. */
  readonly loss?: number;
}

/** A library that can run workloads. */
export interface Runner {
  adapter(): Machine;
  find?(name: string): Workload;
  /** Throws an Error that says why it cannot. */
  prepare(workload: Workload, inputs: Arrays): Promise<Prepared>;
  readonly device?: Device;
}

export interface Prepared {
  run(): Promise<void>;
  /** What the last run computed, in the order N, C, H, W; called after each. */
  read(): Promise<Arrays>;
  dispose(): void | Promise<void>;
}

/** Answers until the parent closes the conversation. What libraries print goes to stderr. */
export async function serve(open: () => Promise<Runner>): Promise<void> {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr) as typeof write;
  const send = (reply: Reply) => new Promise<void>((sent) => write(`${JSON.stringify(reply)}\n`, () => sent()));
  let session: Session | undefined;
  let failure: string | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      if (failure !== undefined) throw new Error(failure);
      session ??= new Session(await open());
    } catch (error) {
      failure = messageOf(error);
    }
    await send(session ? await session.answer(JSON.parse(line) as Request) : { failure: failure as string });
  }
  process.exit();
}

class Session {
  #workload: Workload | undefined;
  #inputs: Arrays = {};
  #prepared: Prepared | undefined;

  constructor(readonly runner: Runner) {}

  async answer(request: Request): Promise<Reply> {
    try {
      return await ("prepare" in request ? this.#prepare(request.prepare) : this.#run());
    } catch (error) {
      return { failure: messageOf(error) };
    }
  }

  async #prepare(name: string): Promise<ReadyReply> {
    const before = this.#prepared;
    this.#prepared = undefined;
    await before?.dispose();
    this.#workload = (this.runner.find ?? findWorkload)(name);
    this.#inputs = inputsOf(this.#workload);
    this.#prepared = await this.runner.prepare(this.#workload, this.#inputs);
    const { name: adapter, software } = this.runner.adapter();
    return { adapter: { name: adapter, software }, flops: this.#workload.subject.flops };
  }

  async #run(): Promise<RunReply> {
    if (!this.#prepared) throw new Error("nothing is prepared");
    const before = process.cpuUsage();
    const begun = performance.now();
    await this.#prepared.run();
    const wall = performance.now() - begun;
    const { user, system } = process.cpuUsage(before);
    const outputs = await this.#prepared.read();
    const error = await this.#error(outputs);
    return { wall, cpu: (user + system) / 1e3, error, ...(outputs.loss && { loss: outputs.loss[0] as number }) };
  }

  /** A peer's training step shows its loss alone, which the parent compares with ours. */
  async #error(outputs: Arrays): Promise<number> {
    if (outputs.loss && !outputs.prediction) return 0;
    const { subject } = this.#workload as Workload;
    return await subject.check({ ...this.#inputs, ...outputs }, generator(3, 0), this.runner.device as Device);
  }
}

/** Makes an operation ready for inputs. */
export type Prepare = (inputs: Readonly<Record<string, Values>>) => Promise<Prepared>;

/** A peer, given what it does of each operation. What is missing are gradients. */
export function peerRunner(adapter: () => Machine, operations: Readonly<Partial<Record<Operation, Prepare>>>): Runner {
  return {
    adapter,
    prepare(workload, inputs) {
      const prepare = operations[workload.operation];
      if (!prepare) throw new Error(NO_AUTODIFF);
      return prepare(peerInputs(workload, inputs));
    },
  };
}

export const NO_AUTODIFF = "no autodiff";

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
