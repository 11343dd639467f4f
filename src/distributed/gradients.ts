/**
 * The sum of gradients over all ranks, with the bits of one process that accumulates the same micro-batches.
 *
 * Floating-point addition is not associative, so the order of the sum is fixed: micro-batch 0, 1, 2, …, which is rank 0's
 * first. Each rank owns 1/n of all elements. It gets that part of every micro-batch's gradients (one all-to-all exchange a
 * micro-batch), adds them in order, and all ranks collect the sums of all parts. A rank so sends and receives twice the
 * size of the gradients, however many ranks there are (for one micro-batch a rank).
 *
 * The addition runs on the GPU, by the operation that adds up micro-batches in one process: whatever an adapter does about
 * fused multiply-adds and denormals, it does in both cases.
 */
import { type Buffer, BufferUsage, type Copy, type Device } from "../gpu/device.js";
import { phase } from "../gpu/profiler.js";
import { compile, type Plan, type RunOptions } from "../graph/plan/plan.js";
import { Parameters, zeros } from "../graph/trace/parameters.js";
import type { Tensor, Tensors, Variable } from "../graph/trace/tensor.js";
import { GradientAccumulator } from "../nn/accumulation.js";
import type { GradientSum, SumOptions } from "../train/team.js";
import type { Ranks } from "./ranks.js";

type SumPlan = Plan<{ readonly gradient: readonly number[] }, Tensors<"sum">>;

/** Elements of a rank's part are a multiple of this. */
const ALIGNMENT = 64;
/** Readbacks in flight: one is exchanged while the next is computed. */
const STAGING = 2;

export class RankGradients implements GradientSum {
  /** Holds the gradients of one micro-batch, as they are; after `finish` the sums. */
  readonly accumulator: GradientAccumulator;
  readonly #ranks: Ranks;
  readonly #microBatches: number;
  /** Elements of a rank's part, and of all. */
  readonly #part: number;
  readonly #all: number;
  /** The part that this rank adds up. */
  readonly #own = new Parameters();
  readonly #ordered: GradientAccumulator;
  #device: Device | undefined;
  #plan: SumPlan | undefined;
  #staging: Buffer[] = [];
  #upload: Buffer | undefined;
  /** Each buffer below is made once: gradients as sent, parts as received by micro-batch, the sums of all parts. */
  readonly #sent: Float32Array[] = [];
  readonly #received: Float32Array[] = [];
  readonly #sums: Float32Array<ArrayBuffer>;
  readonly #exchanges: Promise<void>[] = [];
  #next = 0;

  constructor(ranks: Ranks, parameters: readonly Variable[], { microBatches, losses, name }: SumOptions) {
    this.#ranks = ranks;
    this.#microBatches = microBatches;
    this.accumulator = new GradientAccumulator(parameters, { microBatches: 1, losses, name });
    const elements = this.accumulator.sums.all.reduce((sum, { size }) => sum + size, 0);
    this.#part = Math.ceil(elements / ranks.size / ALIGNMENT) * ALIGNMENT;
    this.#all = this.#part * ranks.size;
    const own = this.#own.declare(`part of the gradients of ${name}`, [this.#part], zeros);
    this.#ordered = new GradientAccumulator([own], { microBatches, name: `${name}, in order` });
    for (let i = 0; i < microBatches / ranks.size; i++) {
      this.#sent.push(new Float32Array(this.#all));
      this.#received.push(new Float32Array(this.#all));
    }
    this.#sums = new Float32Array(this.#all);
  }

  get bytes(): number {
    const buffers = (STAGING + 1) * 4 * this.#all;
    return this.accumulator.bytes + this.#ordered.bytes + (this.#plan?.bytes ?? 0) + buffers;
  }

  async allocate(device: Device): Promise<void> {
    this.#device = device;
    await this.accumulator.allocate(device);
    await this.#ordered.allocate(device);
    this.#plan = await compile(device, { gradient: [this.#part] }, ({ gradient }) => {
      this.#ordered.add([gradient]);
      return { sum: this.#ordered.gradients[0] as Tensor };
    });
    const bytes = 4 * this.#all;
    const staging = { label: "readback of gradients", bytes, usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST };
    const upload = { label: "sums of gradients", bytes, usage: BufferUsage.COPY_SRC | BufferUsage.COPY_DST };
    [this.#upload, ...this.#staging] = await device.allocate([upload, ...Array(STAGING).fill(staging)]);
  }

  begin(): void {
    this.#next = 0;
    this.#exchanges.length = 0;
    this.accumulator.reset();
  }

  /** Reads the micro-batch's gradients and sends them off, while the GPU goes on with the next. */
  async added({ profiler }: RunOptions): Promise<void> {
    const index = this.#next++;
    const staging = this.#staging[index % STAGING] as Buffer;
    // The staging buffer must have been read before it is written to again.
    await this.#exchanges[index - STAGING];
    const device = this.#device as Device;
    await device.copy(
      this.#copies().map(({ variable, offset, bytes }) => ({ from: variable, to: staging, toOffset: offset, bytes })),
    );
    this.accumulator.reset();
    const before = this.#exchanges[index - 1];
    const exchange = async () => {
      await phase(profiler, "read gradients", () => device.mappedInto(staging, this.#sent[index] as Float32Array));
      // Collective operations keep their order.
      await before;
      await phase(profiler, "exchange gradients", () =>
        this.#ranks.exchange(this.#sent[index] as Float32Array, this.#received[index] as Float32Array),
      );
    };
    const done = exchange();
    // A failure is thrown where it is awaited.
    done.catch(() => {});
    this.#exchanges.push(done);
  }

  async finish({ profiler }: RunOptions): Promise<void> {
    for (const exchange of this.#exchanges) await exchange;
    const device = this.#device as Device;
    const part = await phase(profiler, "sum gradients", () => this.#sum());
    await phase(profiler, "collect gradients", () => this.#ranks.collect(part, this.#sums));
    await phase(profiler, "write gradients", () => {
      const upload = this.#upload as Buffer;
      device.write(upload, this.#sums);
      return device.copy(
        this.#copies().map(({ variable, offset, bytes }) => ({
          from: upload,
          fromOffset: offset,
          to: variable,
          bytes,
        })),
      );
    });
  }

  /** Adds this rank's part of all micro-batches, in their order. */
  async #sum(): Promise<Float32Array> {
    const plan = this.#plan as SumPlan;
    const each = this.#microBatches / this.#ranks.size;
    this.#ordered.reset();
    for (let rank = 0; rank < this.#ranks.size; rank++) {
      for (let i = 0; i < each; i++) {
        const received = this.#received[i] as Float32Array;
        const gradient = received.subarray(rank * this.#part, (rank + 1) * this.#part);
        const last = rank === this.#ranks.size - 1 && i === each - 1;
        const { sum } = await plan.run({ gradient }, { read: last ? ["sum"] : [] });
        if (last) return sum.floats;
      }
    }
    throw new Error("a batch has no micro-batches");
  }

  /** Where each gradient and loss lies in the contiguous buffers. */
  #copies(): (Pick<Copy, "bytes"> & { readonly variable: Buffer; readonly offset: number })[] {
    let offset = 0;
    return this.accumulator.sums.all.map((variable) => {
      const bytes = 4 * variable.size;
      const copy = { variable: variable.buffer as Buffer, offset, bytes };
      offset += bytes;
      return copy;
    });
  }

  dispose(): void {
    this.#plan?.dispose();
    this.accumulator.dispose();
    this.#ordered.dispose();
    for (const buffer of [this.#upload, ...this.#staging]) buffer?.dispose();
  }
}
