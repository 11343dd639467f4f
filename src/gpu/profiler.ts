/**
 * Where the time of a run goes. Each dispatch becomes a pass of its own, which the GPU's timestamps time; where the adapter
 * has none, the clock does, around a queue that is emptied after each. What the CPU does meanwhile is noted as phases.
 *
 * Passes of one dispatch cannot overlap, and cost their beginning and end: a profiled run is slower than any other.
 */
import type { Batch, Command, Device } from "./device.js";
import { Timestamps } from "./timestamps.js";

/** What is said of a dispatch besides its time. */
export interface DispatchInfo {
  /** Scope and operation. */
  readonly label: string;
  /** Where in the network: `decode.x4`, `backward.encode ref`. */
  readonly scope: string;
  readonly shader: string;
  /** The shader's constants: its variant. */
  readonly constants?: Readonly<Record<string, number | boolean | string>>;
  readonly workgroups: readonly [number, number, number];
  /** Arithmetic of the result, where it takes longer than moving the bytes. */
  readonly flops?: number;
  /** Of the tensors that it binds. */
  readonly bytes: number;
}

/** Milliseconds since the profiler was made. */
export interface Interval {
  readonly begin: number;
  readonly end: number;
}

export interface ProfiledDispatch extends DispatchInfo, Interval {}

/** Something that the CPU did: compile, upload, encode, submit, wait, read. */
export interface Phase extends Interval {
  readonly name: string;
}

/** Sums over dispatches of one kind. */
export interface Total {
  readonly dispatches: number;
  readonly ms: number;
  readonly flops: number;
  readonly bytes: number;
}

/** Most passes between two reads of the timestamps: WebGPU has 4,096 in a query set, and a pass takes two. */
const PASSES = 2048;

/** Times every dispatch of the runs that it is given to: `plan.run(data, { profiler })`. */
export class Profiler {
  readonly #dispatches: ProfiledDispatch[] = [];
  readonly #phases: Phase[] = [];
  readonly #made = performance.now();
  #runs = 0;

  private constructor(
    readonly device: Device,
    readonly timestamps: Timestamps | undefined,
  ) {}

  /** A profiler for plans on `device`: `plan.run(data, { profiler })`. */
  static async create(device: Device): Promise<Profiler> {
    return new Profiler(device, await Timestamps.create(device, PASSES));
  }

  /** Every dispatch of every profiled run, in order. */
  get dispatches(): readonly ProfiledDispatch[] {
    return this.#dispatches;
  }

  /** What the CPU did meanwhile, in order. */
  get phases(): readonly Phase[] {
    return this.#phases;
  }

  /** Runs of plans so far. */
  get runs(): number {
    return this.#runs;
  }

  /** Runs `batches` like `Device.submit`, and waits; `infos` says of each command in turn what it is. */
  async run(batches: readonly Batch[], infos: readonly DispatchInfo[]): Promise<void> {
    this.#runs++;
    const { timestamps } = this;
    if (!timestamps) return await this.#runEach(batches, infos);
    let pending: DispatchInfo[] = [];
    let submitted = 0;
    let next = 0;
    for (const { commands } of batches) {
      if (pending.length + commands.length > timestamps.capacity) {
        await this.#collect(timestamps, pending, submitted);
        pending = [];
      }
      const encoded = await this.phase("encode", () => this.#encode(commands, timestamps));
      await this.phase("submit", () => this.device.guard("submit", () => this.device.gpu.queue.submit([encoded])));
      if (pending.length === 0) submitted = this.#now();
      for (const _ of commands) pending.push(infos[next++] as DispatchInfo);
    }
    await this.#collect(timestamps, pending, submitted);
  }

  #encode(commands: readonly Command[], timestamps: Timestamps): Promise<GPUCommandBuffer> {
    return this.device.guard("encode", () => {
      const encoder = this.device.gpu.createCommandEncoder();
      for (const command of commands) this.device.encode(encoder, [command], timestamps);
      return encoder.finish();
    });
  }

  /** The GPU's clock has a zero of its own: its first pass is taken to begin when the first batch was `submitted`. */
  async #collect(timestamps: Timestamps, infos: readonly DispatchInfo[], submitted: number): Promise<void> {
    await this.phase("wait", () => this.device.finish());
    const passes = await this.phase("read", () => timestamps.readPasses());
    const shift = submitted - (passes[0]?.begin ?? 0);
    for (const [i, { begin, end }] of passes.entries())
      this.#dispatches.push({ ...(infos[i] as DispatchInfo), begin: begin + shift, end: end + shift });
  }

  async #runEach(batches: readonly Batch[], infos: readonly DispatchInfo[]): Promise<void> {
    for (const [i, command] of batches.flatMap(({ commands }) => commands).entries()) {
      await this.phase("encode", () => this.device.submit([{ commands: [command] }]));
      const begin = this.#now();
      await this.phase("wait", () => this.device.finish());
      this.#dispatches.push({ ...(infos[i] as DispatchInfo), begin, end: this.#now() });
    }
  }

  /** Does `work` and notes when. */
  async phase<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    const begin = this.#now();
    try {
      return await work();
    } finally {
      this.#phases.push({ name, begin, end: this.#now() });
    }
  }

  #now(): number {
    return performance.now() - this.#made;
  }

  /** Forgets what was measured. */
  clear(): void {
    this.#dispatches.length = 0;
    this.#phases.length = 0;
    this.#runs = 0;
  }

  /** Sums over the dispatches that `kind` gives the same name, in order of first use. */
  totals(kind: (dispatch: ProfiledDispatch) => string): Map<string, Total> {
    const totals = new Map<string, Total>();
    for (const dispatch of this.#dispatches) {
      const name = kind(dispatch);
      const sum = totals.get(name) ?? { dispatches: 0, ms: 0, flops: 0, bytes: 0 };
      totals.set(name, {
        dispatches: sum.dispatches + 1,
        ms: sum.ms + dispatch.end - dispatch.begin,
        flops: sum.flops + (dispatch.flops ?? 0),
        bytes: sum.bytes + dispatch.bytes,
      });
    }
    return totals;
  }

  /**
   * The runs in Chrome's trace event format, for chrome://tracing and Perfetto: a track of the GPU's dispatches and one of
   * the CPU's phases. To be written as JSON.
   */
  trace(): object {
    const { name, description } = this.device.info;
    const event = (track: number, name: string, category: string, { begin, end }: Interval, args: object) => ({
      ...{ ph: "X", pid: 1, tid: track, name, cat: category, ts: 1e3 * begin, dur: 1e3 * (end - begin), args },
    });
    const title = (track: number, name: string) => ({
      ph: "M",
      pid: 1,
      tid: track,
      name: "thread_name",
      args: { name },
    });
    return {
      displayTimeUnit: "ms",
      otherData: { adapter: name, driver: description, clock: this.timestamps ? "GPU timestamps" : "CPU" },
      traceEvents: [
        title(CPU, "CPU"),
        title(GPU, "GPU"),
        ...this.#phases.map((phase) => event(CPU, phase.name, "phase", phase, {})),
        ...this.#dispatches.map((dispatch) => event(GPU, dispatch.label, dispatch.scope, dispatch, details(dispatch))),
      ],
    };
  }

  /** Frees the GPU memory; what was measured stays. */
  dispose(): void {
    this.timestamps?.dispose();
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Tracks of the trace. */
const CPU = 1;
const GPU = 2;

function details({ shader, workgroups, constants = {}, flops, bytes }: DispatchInfo) {
  const variant = Object.entries(constants).map(([name, value]) => `${name} = ${value}`);
  return { shader, workgroups: workgroups.join("×"), variant: variant.join(", "), bytes, ...(flops && { flops }) };
}

/** `work` as a phase of `profiler`, if there is one. */
export function phase<T>(profiler: Profiler | undefined, name: string, work: () => T | Promise<T>): T | Promise<T> {
  return profiler ? profiler.phase(name, work) : work();
}
