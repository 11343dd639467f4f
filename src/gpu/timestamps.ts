/** How long compute passes take on the GPU itself, without encoding and waiting (WebGPU's `timestamp-query`). */
import { type Buffer, BufferUsage, type Device } from "./device.js";
import { LimitError } from "./errors.js";

const QUERY_RESOLVE = 512;
const QUERY_BYTES = 8;

export class Timestamps {
  #passes = 0;

  private constructor(
    readonly device: Device,
    readonly capacity: number,
    readonly queries: GPUQuerySet,
    readonly resolved: Buffer,
  ) {}

  /** Room for `capacity` passes between two reads, at most 2048; undefined where the adapter has no timestamps. */
  static async create(device: Device, capacity: number): Promise<Timestamps | undefined> {
    if (!device.features.has("timestamp-query")) return undefined;
    const queries = await device.guard("timestamps", () =>
      device.gpu.createQuerySet({ type: "timestamp", count: 2 * capacity }),
    );
    const usage = QUERY_RESOLVE | BufferUsage.COPY_SRC;
    const [resolved] = await device.allocate([{ label: "timestamps", bytes: 2 * capacity * QUERY_BYTES, usage }]);
    return new Timestamps(device, capacity, queries, resolved as Buffer);
  }

  /** For the descriptor of the next pass. Throws `LimitError` where there is no room. */
  next(): GPUComputePassTimestampWrites {
    if (this.#passes === this.capacity)
      throw new LimitError(`more than ${this.capacity} passes are timed`, "Read the timestamps more often");
    const first = 2 * this.#passes++;
    return { querySet: this.queries, beginningOfPassWriteIndex: first, endOfPassWriteIndex: first + 1 };
  }

  /** Milliseconds of each pass since the last read, in order. Waits until they are done. */
  async read(): Promise<number[]> {
    return (await this.readPasses()).map(({ begin, end }) => end - begin);
  }

  /** When each pass since the last read began and ended, in milliseconds after the first one's beginning. */
  async readPasses(): Promise<{ readonly begin: number; readonly end: number }[]> {
    const passes = this.#passes;
    this.#passes = 0;
    if (passes === 0) return [];
    await this.device.guard("timestamps", () => {
      const encoder = this.device.gpu.createCommandEncoder();
      encoder.resolveQuerySet(this.queries, 0, 2 * passes, this.resolved.gpu, 0);
      this.device.gpu.queue.submit([encoder.finish()]);
    });
    const times = new BigUint64Array(await this.device.read(this.resolved, 2 * passes * QUERY_BYTES));
    const since = (i: number) => Number((times[i] as bigint) - (times[0] as bigint)) / 1e6;
    return Array.from({ length: passes }, (_, i) => ({ begin: since(2 * i), end: since(2 * i + 1) }));
  }

  dispose(): void {
    this.queries.destroy();
    this.resolved.dispose();
  }
}
