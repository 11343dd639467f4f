/**
 * Takes the times. All cases are made ready, run once and checked; then every round runs each of them once, so that what
 * else the machine does meanwhile meets all alike. Inputs are drawn anew in each round and are on the GPU before the clock
 * starts; it stops when the queue is empty.
 */
import type { Device } from "../src/gpu/device.js";
import { Timestamps } from "../src/gpu/timestamps.js";
import { compile, type Data, dataOf, type InputSpec, type Plan } from "../src/graph/plan/plan.js";
import { generator } from "../src/graph/trace/parameters.js";
import type { Shape } from "../src/kernels/kernel.js";
import { type Arrays, type Case, elements, type Uniform } from "./case.js";
import { threadTime } from "./thread.js";

/** What was measured of a case: the raw times, from which all else is computed. */
export interface Result {
  readonly name: string;
  readonly flops: number;
  readonly bytes: number;
  /** Bytes of GPU memory that the plan and the case's parameters take. */
  readonly memory: number;
  /** Number of dispatches of each shader, in order of first use. */
  readonly shaders: Readonly<Record<string, number>>;
  /** Largest error of the checked run, as a part of its bound. */
  readonly error: number;
  /** Milliseconds of each round: on the clock, by the GPU's timestamps (where it has them), of this process on all cores. */
  readonly wall: readonly number[];
  readonly gpu?: readonly number[] | undefined;
  readonly cpu: readonly number[];
  /** Milliseconds of this thread's CPU time in each round until all dispatches were submitted, where there are many. */
  readonly encode?: readonly number[] | undefined;
  /** Why there are no times. */
  readonly failure?: string | undefined;
}

export interface MeasureOptions {
  readonly rounds: number;
  readonly signal?: AbortSignal | undefined;
  /** Told what is done next. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/** Passes that a case may submit in a run. */
export const PASSES = 2048;
/** Dispatches of a case whose encoding is timed; asking for the time takes as long as encoding thirty. */
const MANY = 100;

/** Measures `cases` together. One that fails or computes something wrong gets a `failure`; a lost device throws. */
export async function measure(device: Device, cases: readonly Case[], options: MeasureOptions): Promise<Result[]> {
  const timestamps = await Timestamps.create(device, PASSES);
  const runners = cases.map((subject, i) => new Runner(device, subject, generator(1, i), timestamps));
  try {
    for (const [i, runner] of runners.entries()) {
      options.signal?.throwIfAborted();
      options.onStep?.(`${i + 1}/${cases.length} compile and check ${runner.subject.name}`);
      await runner.prepare();
    }
    await takeRounds(runners, options);
    return runners.map((runner) => runner.result());
  } finally {
    for (const runner of runners) runner.dispose();
    timestamps?.dispose();
  }
}

/** The rounds of runners that are ready, on one device or several. */
export async function takeRounds(
  runners: readonly Runner[],
  { rounds, signal, onStep }: MeasureOptions,
): Promise<void> {
  for (let round = 1; round <= rounds; round++)
    for (const runner of runners) {
      signal?.throwIfAborted();
      onStep?.(`round ${round}/${rounds} ${runner.subject.name}`);
      await runner.round();
    }
}

/** A case on a device. */
export class Runner {
  #plan: Plan | undefined;
  #memory = 0;
  #shaders: Record<string, number> = {};
  #error = 0;
  #failure: string | undefined;
  readonly #wall: number[] = [];
  readonly #gpu: number[] = [];
  readonly #cpu: number[] = [];
  readonly #encode: number[] = [];

  constructor(
    readonly device: Device,
    readonly subject: Case,
    readonly uniform: Uniform,
    readonly timestamps: Timestamps | undefined,
  ) {}

  /** Compiles, warms up, and checks what comes out. */
  async prepare(): Promise<void> {
    await this.#attempt(async () => {
      const before = this.device.memory().bytes;
      for (const parameters of this.subject.parameters ?? []) await parameters.allocate(this.device);
      this.#plan = await compile(this.device, this.subject.inputs, (inputs) => this.subject.build(inputs));
      this.#memory = this.device.memory().bytes - before;
      this.#shaders = countShaders(this.#plan);
      const inputs = this.draw();
      this.#error = await this.subject.check({ ...inputs, ...(await this.run(inputs)) }, this.uniform, this.device);
      if (!(this.#error <= 1)) throw new Error(`wrong results: the largest error is ${this.#error} times its bound`);
    });
  }

  /** Runs once without taking the time; the outputs. */
  async run(inputs: Arrays): Promise<Arrays> {
    return dataOf(await (this.#plan as Plan).run(inputs));
  }

  async round(): Promise<void> {
    const plan = this.#plan;
    if (!plan || this.#failure !== undefined) return;
    await this.#attempt(async () => {
      plan.write(this.draw());
      await this.device.finish();
      const cpu = process.cpuUsage();
      const many = plan.dispatchCount >= MANY;
      const thread = many ? threadTime() : 0;
      const begun = performance.now();
      await plan.replay({}, this.timestamps);
      if (many) this.#encode.push(threadTime() - thread);
      await this.device.finish();
      const wall = performance.now() - begun;
      const { user, system } = process.cpuUsage(cpu);
      this.#wall.push(wall);
      this.#cpu.push((user + system) / 1e3);
      if (this.timestamps) this.#gpu.push((await this.timestamps.read()).reduce((sum, pass) => sum + pass, 0));
    });
  }

  /** New inputs. */
  draw(): Arrays {
    return drawInputs(this.subject, this.uniform);
  }

  /** A failure is this case's own, unless the device is gone. */
  async #attempt(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.device.check();
      this.#failure = error instanceof Error ? error.message : String(error);
      this.dispose();
    }
  }

  result(): Result {
    const { name, flops, bytes } = this.subject;
    const figures = { name, flops, bytes, memory: this.#memory, shaders: this.#shaders, error: this.#error };
    const gpu = this.timestamps && { gpu: this.#gpu };
    const failure = this.#failure === undefined ? {} : { failure: this.#failure };
    return {
      ...figures,
      wall: this.#wall,
      cpu: this.#cpu,
      ...(this.#encode.length > 0 && { encode: this.#encode }),
      ...gpu,
      ...failure,
    };
  }

  /** Frees the GPU memory. Safe to repeat. */
  dispose(): void {
    this.#plan?.dispose();
    for (const parameters of this.subject.parameters ?? []) parameters.dispose();
  }
}

/** Inputs of a case. */
export function drawInputs({ inputs, draw }: Case, uniform: Uniform): Arrays {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, spec]) => {
      const data = newData(spec);
      if (draw?.[name]) draw[name](data, uniform);
      else for (let i = 0; i < data.length; i++) data[i] = 2 * uniform() - 1;
      return [name, data];
    }),
  );
}

export function shapeOf(spec: InputSpec): Shape {
  return "shape" in spec ? spec.shape : spec;
}

function newData(spec: InputSpec): Data {
  const count = elements(shapeOf(spec));
  if (!("shape" in spec) || spec.dtype === "f32") return new Float32Array(count);
  return spec.dtype === "i32" ? new Int32Array(count) : new Uint32Array(count);
}

/** How often a plan dispatches each shader. */
export function countShaders({ dispatches }: Plan): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { shader } of dispatches) counts[shader] = (counts[shader] ?? 0) + 1;
  return counts;
}
