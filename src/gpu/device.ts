/**
 * One GPU device and everything on it: buffers counted to the byte, pipelines compiled once, commands, readback.
 *
 * WebGPU reports most failures late and elsewhere (error scopes, events, a `lost` promise); here every one of them
 * fails the call that caused it, and after a loss every further call fails.
 */
import { ArgumentError } from "../errors.js";
import {
  type AdapterInfo,
  describeAdapter,
  type Feature,
  featuresOf,
  type LimitName,
  type Limits,
  limitsOf,
  requestAdapter,
} from "./adapter.js";
import {
  DeviceLostError,
  formatBytes,
  type GpuError,
  LimitError,
  OutOfGpuMemoryError,
  ValidationError,
} from "./errors.js";
import { compilePipeline, type Pipeline, type PipelineSpec, pipelineKey } from "./pipeline.js";
import "./disposable.js";
import type { Timestamps } from "./timestamps.js";

export type { AdapterInfo, Limits } from "./adapter.js";

/** What the host gives the runtime: a browser page and Node differ only in this. */
export interface Platform {
  /** The WebGPU entry point, narrowed to the adapters that have `adapter` in their name. Throws `NoAdapterError`. */
  gpu(adapter: string | undefined): GPU | Promise<GPU>;
  /** The text of `shaders/<name>.wgsl`. */
  shader(name: string): string;
  /** Told once when the adapter is software. */
  warn(message: string): void;
  /** What a user can do where there is no adapter, for the error. */
  readonly noAdapterAdvice: string;
}

/** Which adapter a device is opened on, and how much of it is used. */
export interface DeviceOptions {
  /** A substring of the adapter's name, any case. */
  adapter?: string | undefined;
  powerPreference?: GPUPowerPreference | undefined;
  /** Limits to ask for instead of the adapter's own: to test the path of a smaller GPU. */
  limits?: Partial<Record<LimitName, number>> | undefined;
  /** Most bytes of GPU memory that this device may hold, above 0. Default: what the driver allows. */
  memoryLimit?: number | undefined;
}

/** A buffer that a device accounts for. */
export interface Buffer {
  readonly label: string;
  readonly bytes: number;
  readonly gpu: GPUBuffer;
  readonly device: Device;
  /** False after `dispose()`. */
  readonly alive: boolean;
  /** Frees the memory. Safe to repeat. */
  dispose(): void;
}

/** A buffer to be allocated. */
export interface BufferRequest {
  /** Tensor or purpose, for error messages. */
  readonly label: string;
  readonly bytes: number;
  readonly usage: GPUBufferUsageFlags;
}

/** GPU memory of a device, counted by the sizes of its buffers. */
export interface MemoryUse {
  /** Bytes of all living buffers. */
  readonly bytes: number;
  readonly buffers: number;
  /** The most bytes that ever lived at once. */
  readonly peakBytes: number;
}

/** The usage flags, spelled out because Node has no WebGPU globals. */
export const BufferUsage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 } as const;
const MAP_MODE_READ = 1;

/** One dispatch, ready to encode. */
export interface Command {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

/** What is submitted at once: little enough that no driver's watchdog takes it for a GPU that hangs. */
export interface Batch {
  readonly commands: readonly Command[];
}

/** One GPU device and everything on it. Use `openDevice` in Node, `Device.open` with a custom platform. */
export class Device {
  /**
   * Variants of kernels found to be the fastest on this adapter, by the key of the choice. Plans that are made from now on
   * take them.
   */
  readonly choices = new Map<string, string>();
  readonly #living = new Set<Buffer>();
  readonly #pipelines = new Map<string, Promise<Pipeline>>();
  #bytes = 0;
  #peakBytes = 0;
  #failure: GpuError | undefined;
  #disposed = false;
  /** Removed on dispose: a listener keeps the device and its memory from being collected. */
  readonly #onUncaptured = (event: GPUUncapturedErrorEvent) => {
    this.#failure ??= new ValidationError(`WebGPU error outside any call: ${event.error.message}`, REPORT);
  };

  private constructor(
    /** Held because Dawn's device stops working once its instance is collected. */
    readonly instance: GPU,
    readonly gpu: GPUDevice,
    readonly info: AdapterInfo,
    readonly limits: Limits,
    readonly features: ReadonlySet<Feature>,
    readonly platform: Platform,
    readonly memoryLimit: number | undefined,
  ) {
    gpu.addEventListener("uncapturederror", this.#onUncaptured);
    void gpu.lost.then((lost) => {
      if (!this.#disposed) this.#failure = lostError(`${lost.reason}: ${lost.message}`);
    });
  }

  /** Requests an adapter from `platform` and opens a device on it. Throws `NoAdapterError`, `LimitError`, `ArgumentError`. */
  static async open(platform: Platform, options: DeviceOptions = {}): Promise<Device> {
    const { memoryLimit } = options;
    if (memoryLimit !== undefined && !(memoryLimit > 0))
      throw new ArgumentError(`memoryLimit is ${memoryLimit}`, "Give a number of bytes above 0, or omit it");
    const instance = await platform.gpu(options.adapter);
    const adapter = await requestAdapter(instance, options, platform.noAdapterAdvice);
    const info = describeAdapter(adapter);
    const limits = limitsOf(adapter, options.limits);
    const features = featuresOf(adapter);
    const gpu = await adapter.requestDevice({ requiredLimits: { ...limits }, requiredFeatures: features });
    if (info.software) platform.warn(`adapter ${info.name} is software: it computes on the CPU, slowly`);
    return new Device(instance, gpu, info, limits, new Set(features), platform, memoryLimit);
  }

  /** Throws what has gone wrong since the last call, or that the device was disposed. */
  check(): void {
    if (this.#disposed) throw new DeviceLostError("the device was disposed", "Open a new one with openDevice()");
    if (this.#failure) throw this.#failure;
  }

  /** What the device holds now, and held at most. */
  memory(): MemoryUse {
    return { bytes: this.#bytes, buffers: this.#living.size, peakBytes: this.#peakBytes };
  }

  /**
   * Throws what `allocate` would throw for these buffers as far as it is known beforehand: `LimitError` for one that is too
   * large for the adapter, `OutOfGpuMemoryError` where all of them exceed `memoryLimit`. `what` names them together.
   */
  checkRoom(what: string, requests: readonly Pick<BufferRequest, "label" | "bytes">[]): void {
    this.check();
    for (const { label, bytes } of requests) this.#checkSize(label, bytes);
    const total = requests.reduce((sum, { bytes }) => sum + bytes, 0);
    if (this.memoryLimit !== undefined && this.#bytes + total > this.memoryLimit)
      throw new OutOfGpuMemoryError(what, total, this.#bytes, this.memoryLimit);
  }

  /** Creates all the buffers or none. Throws `LimitError` or `OutOfGpuMemoryError` with the label of the one at fault. */
  async allocate(requests: readonly BufferRequest[]): Promise<Buffer[]> {
    this.check();
    for (const { label, bytes } of requests) this.#checkSize(label, bytes);
    const results = await Promise.allSettled(requests.map((request) => this.#create(request)));
    const failed = results.find((result) => result.status === "rejected");
    const made = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    if (!failed) return made;
    for (const buffer of made) buffer.dispose();
    throw failed.reason;
  }

  #checkSize(label: string, bytes: number): void {
    if (bytes > this.limits.maxBufferSize)
      throw new LimitError(
        `${label} needs ${formatBytes(bytes)}, this adapter's largest buffer is ${formatBytes(this.limits.maxBufferSize)}`,
        "Use a smaller image, reference or batch",
      );
  }

  async #create({ label, bytes, usage }: BufferRequest): Promise<Buffer> {
    if (this.memoryLimit !== undefined && this.#bytes + bytes > this.memoryLimit)
      throw new OutOfGpuMemoryError(label, bytes, this.#bytes, this.memoryLimit);
    let gpu: GPUBuffer | undefined;
    const isAlive = () => this.#living.has(buffer);
    const buffer: Buffer = {
      label,
      bytes,
      device: this,
      get gpu() {
        return gpu as GPUBuffer;
      },
      get alive() {
        return isAlive();
      },
      dispose: () => {
        if (!this.#living.delete(buffer)) return;
        this.#bytes -= bytes;
        gpu?.destroy();
      },
    };
    // Counted before the driver answers, so that calls made meanwhile see it.
    this.#living.add(buffer);
    this.#bytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes);
    try {
      await this.guard(label, () => {
        gpu = this.gpu.createBuffer({ label, size: Math.max(4, bytes), usage });
      });
    } catch (error) {
      buffer.dispose();
      if (error instanceof OutOfGpuMemoryError) throw new OutOfGpuMemoryError(label, bytes, this.#bytes);
      throw error;
    }
    return buffer;
  }

  /** The compiled pipeline of a shader with its constants; each is compiled once. */
  pipeline(spec: PipelineSpec): Promise<Pipeline> {
    const key = pipelineKey(spec);
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      pipeline = compilePipeline(this, spec);
      pipeline.catch(() => this.#pipelines.delete(key));
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  /**
   * Runs `batches` of commands in order, each a submission and a pass, which `timestamps` times. Resolves once WebGPU has
   * accepted all of them, which is before they are done. Nothing waits in between, and errors are asked for once.
   */
  submit(batches: readonly Batch[], timestamps?: Timestamps): Promise<void> {
    return this.guard("submit", () => {
      for (const { commands } of batches) {
        const encoder = this.gpu.createCommandEncoder();
        this.encode(encoder, commands, timestamps);
        this.gpu.queue.submit([encoder.finish()]);
      }
    });
  }

  /** Encodes `commands` as one pass. */
  encode(encoder: GPUCommandEncoder, commands: readonly Command[], timestamps?: Timestamps): void {
    const pass = encoder.beginComputePass(timestamps && { timestampWrites: timestamps.next() });
    let set: GPUComputePipeline | undefined;
    for (const { pipeline, bindGroup, workgroups } of commands) {
      if (pipeline !== set) pass.setPipeline(pipeline);
      set = pipeline;
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
    }
    pass.end();
  }

  /** Copies parts of buffers, in queue order. */
  copy(copies: readonly Copy[]): Promise<void> {
    return this.guard("copy", () => {
      const encoder = this.gpu.createCommandEncoder();
      for (const { from, fromOffset = 0, to, toOffset = 0, bytes } of copies)
        encoder.copyBufferToBuffer(from.gpu, fromOffset, to.gpu, toOffset, bytes);
      this.gpu.queue.submit([encoder.finish()]);
    });
  }

  /** Resolves when everything submitted so far is done. */
  async finish(): Promise<void> {
    this.check();
    await this.gpu.queue.onSubmittedWorkDone().catch((error: unknown) => {
      this.check();
      throw lostError(`waiting for it failed: ${error instanceof Error ? error.message : error}`);
    });
    this.check();
  }

  /** Copies `data` to the start of `buffer`, in queue order. */
  write(buffer: Buffer, data: Float32Array | Int32Array | Uint32Array | Uint8Array): void {
    this.check();
    this.gpu.queue.writeBuffer(buffer.gpu, 0, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }

  /** The first `bytes` of a MAP_READ buffer, once all work before is done. */
  mapped(buffer: Buffer, bytes: number): Promise<ArrayBuffer> {
    return this.#map(buffer, bytes, (range) => range.slice(0, bytes));
  }

  /** Reads as `mapped` does, into an array that the caller keeps. */
  async mappedInto(buffer: Buffer, target: Float32Array): Promise<void> {
    await this.#map(buffer, target.byteLength, (range) => target.set(new Float32Array(range, 0, target.length)));
  }

  async #map<T>(buffer: Buffer, bytes: number, use: (range: ArrayBuffer) => T): Promise<T> {
    this.check();
    try {
      await buffer.gpu.mapAsync(MAP_MODE_READ, 0, Math.max(4, bytes));
    } catch (error) {
      this.check();
      throw lostError(
        `reading ${buffer.label} failed${error instanceof Error && error.message ? `: ${error.message}` : ""}`,
      );
    }
    this.check();
    try {
      return use(buffer.gpu.getMappedRange(0, Math.max(4, bytes)));
    } finally {
      buffer.gpu.unmap();
    }
  }

  /** The first `bytes` of any COPY_SRC buffer. */
  async read(buffer: Buffer, bytes = buffer.bytes): Promise<ArrayBuffer> {
    const usage = BufferUsage.MAP_READ | BufferUsage.COPY_DST;
    const [staging] = (await this.allocate([{ label: `readback of ${buffer.label}`, bytes, usage }])) as [Buffer];
    try {
      await this.copy([{ from: buffer, to: staging, bytes }]);
      return await this.mapped(staging, bytes);
    } finally {
      staging.dispose();
    }
  }

  /** Runs `encode` (synchronous WebGPU calls) and throws whatever error WebGPU reports for it. */
  async guard<T>(label: string, encode: () => T): Promise<T> {
    this.check();
    const filters = ["internal", "out-of-memory", "validation"] as const;
    for (const filter of filters) this.gpu.pushErrorScope(filter);
    let result: T;
    let scopes: Promise<GPUError | null>[];
    try {
      result = encode();
    } finally {
      scopes = filters.map(() => this.gpu.popErrorScope());
    }
    const [validation, memory, internal] = await Promise.all(scopes).catch((error: unknown) => {
      this.check();
      throw lostError(`${label}: ${error}`);
    });
    this.check();
    if (memory) throw new OutOfGpuMemoryError(label, 0, this.#bytes);
    const error = validation ?? internal;
    if (error) throw new ValidationError(`${label}: ${error.message.trim()}`, REPORT);
    return result;
  }

  /** Frees every buffer and the device itself; further calls throw `DeviceLostError`. Safe to repeat. */
  dispose(): void {
    if (this.#disposed) return;
    for (const buffer of [...this.#living]) buffer.dispose();
    this.#pipelines.clear();
    this.#disposed = true;
    this.gpu.removeEventListener("uncapturederror", this.#onUncaptured);
    this.gpu.destroy();
  }

  /** @deprecated Use `dispose`. */
  close(): void {
    this.dispose();
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

export interface Copy {
  readonly from: Buffer;
  /** In bytes, a multiple of 4; default 0. */
  readonly fromOffset?: number;
  readonly to: Buffer;
  readonly toOffset?: number;
  readonly bytes: number;
}

const REPORT = "This is a fault of masa-webgpu or the driver: please report it with the output of 'masa doctor'";

function lostError(what: string): DeviceLostError {
  return new DeviceLostError(
    `the GPU device was lost (${what})`,
    "Open a new device and run again; if it returns, the driver may have reset: use smaller images or batches",
  );
}
