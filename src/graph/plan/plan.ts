/**
 * A plan: a traced graph made ready for one device, run as often as wanted.
 *
 * Making it records the dispatches of the operations that are needed, lays out memory, compiles pipelines in parallel,
 * and creates every bind group and parameter block once. A run writes the inputs, replays the dispatches and reads back
 * what was asked for.
 */
import { type Buffer, type BufferRequest, BufferUsage, type Device } from "../../gpu/device.js";
import { GpuError, ShapeError } from "../../gpu/errors.js";
import type { Pipeline } from "../../gpu/pipeline.js";
import { type Profiler, phase } from "../../gpu/profiler.js";
import type { Timestamps } from "../../gpu/timestamps.js";
import { byteSize, type Dispatch, type Dtype, type Operand } from "../../kernels/kernel.js";
import { cast, type Graph, input, trace } from "../trace/graph.js";
import { Constant, type Data, GraphError, Input, type Tensor, Variable } from "../trace/tensor.js";
import { batchesOf, type PlanProgress, type StageBatch } from "./batches.js";
import {
  checkBindings,
  checkSizes,
  checkVariables,
  PARAMS_ALIGNMENT,
  type PlanChoice,
  type PlannedDispatch,
  packAll,
  pipelineOf,
  recordNodes,
} from "./dispatches.js";
import { layOut, storage } from "./layout.js";
import {
  type DataOf,
  dataByPath,
  type InputSpec,
  mapSpecs,
  mapTensors,
  Result,
  type ResultsOf,
  type TensorsOf,
  tensorsOfTree,
} from "./tree.js";

export type { PlanProgress } from "./batches.js";
export type { PlanChoice } from "./dispatches.js";
export {
  type Data,
  type DataOf,
  dataOf,
  type HostTensor,
  type InputSpec,
  Result,
  type ResultsOf,
  type TensorsOf,
} from "./tree.js";

/** How one run of a plan is watched, stopped and read. */
export interface RunOptions<Name extends string = string> {
  /** Outputs to read back, by their names at the top; default all. */
  readonly read?: readonly Name[];
  /** Called as the GPU completes work. */
  readonly onProgress?: (progress: PlanProgress) => void;
  /** Stops between dispatches; `run` then throws the signal's reason. Variables may be half updated. */
  readonly signal?: AbortSignal;
  /** Times each dispatch for itself; `onProgress` and `signal` are not asked meanwhile. */
  readonly profiler?: Profiler;
}

/** How a plan is made. */
export interface PlanOptions {
  /** Told how many bytes of GPU memory the plan needs before it takes any. */
  readonly onMemory?: ((bytes: number) => void) | undefined;
  /** Variants to take instead of the defaults, by the key of the choice; default those of the device. */
  readonly choices?: ReadonlyMap<string, string> | undefined;
}

/**
 * Traces `build` for inputs of the given shapes and makes a plan of it on `device`. `build` gets the input tensors and
 * returns the tensors that a run reads back; in-place updates recorded inside run as well. Both may be nested records,
 * as `{ images: { lr, ref }, gradients: [dw, db] }`: runs take and return data in the same nesting.
 *
 * Throws `ShapeError`, `GraphError`, `LimitError` (naming the tensor), `OutOfGpuMemoryError`, `ShaderError`.
 */
export async function compile<const In extends object, Out extends object>(
  device: Device,
  inputs: In,
  build: (inputs: TensorsOf<NoInfer<In>>) => Out,
  options: PlanOptions = {},
): Promise<Plan<In, Out>> {
  const made = plan(device, inputs, build, options);
  options.onMemory?.(made.bytes);
  try {
    await made.prepare();
  } catch (error) {
    made.dispose();
    throw error;
  }
  return made;
}

/** The first half of `compile`: a plan whose dispatches and memory are known, but which has taken nothing yet. */
export function plan<const In extends object, Out extends object>(
  device: Device,
  inputs: In,
  build: (inputs: TensorsOf<NoInfer<In>>) => Out,
  { choices }: PlanOptions = {},
): Plan<In, Out> {
  const { graph, result } = trace(() => {
    const tensors = mapSpecs(inputs, (path, spec) =>
      "shape" in spec ? input(path, spec.shape, spec.dtype) : input(path, spec),
    );
    return mapTensors(build(tensors), (_, tensor) => cast(tensor, "f32")) as Out;
  });
  return new Plan(device, graph, result, choices);
}

/** A tensor that a run reads back: an output, by its path, or what `hostOutput` asked for. */
interface Readback {
  readonly path?: string;
  readonly tensor: Tensor;
  readonly receive?: (values: Data) => void;
}

type Inputs = Readonly<Record<string, InputSpec>>;
type Outputs = Readonly<Record<string, Tensor>>;

/** A graph made ready for one device: `compile` makes it, `run` replays it, `dispose` frees its memory. */
export class Plan<In extends object = Inputs, Out extends object = Outputs> {
  readonly #device: Device;
  readonly #inputs: readonly Input[];
  readonly #outputs: object;
  readonly #readbacks: readonly Readback[];
  readonly #dispatches: PlannedDispatch[];
  readonly #persistent = new Set<Operand>();
  readonly #buffers = new Map<Operand, Buffer>();
  readonly #staging = new Map<Readback, Buffer>();
  readonly #owned: Buffer[] = [];
  #batches: readonly StageBatch[] = [];
  #state: "planned" | "preparing" | "ready" | "running" | "disposed" = "planned";
  /** Bytes of GPU memory that the plan takes for itself; variables come on top. Known before any is taken. */
  readonly bytes: number;
  /** The variants that were chosen, in recorded order: with the device they fix the order of sums, and so the bits. */
  readonly choices: readonly PlanChoice[];
  readonly #slots: ReturnType<typeof layOut>;

  /** Use `compile` or `plan`. */
  constructor(device: Device, graph: Graph, outputs: Out, choices: ReadonlyMap<string, string> = device.choices) {
    device.check();
    this.#device = device;
    this.#inputs = graph.inputs;
    this.#outputs = outputs;
    this.#readbacks = [...tensorsOfTree(outputs).map(([path, tensor]) => ({ path, tensor })), ...graph.received];
    const read = this.#readbacks.map(({ tensor }) => tensor);
    const recorded = recordNodes(device, graph, read, choices);
    this.#dispatches = recorded.dispatches;
    this.choices = recorded.choices;
    const roots = this.#dispatches.flatMap(({ bindings }) => Object.values(bindings).map(storage));
    for (const operand of [...graph.inputs, ...roots, ...read.map(storage)]) {
      if (operand instanceof Variable || operand instanceof Input || operand instanceof Constant)
        this.#persistent.add(operand);
    }
    const kept = new Set(read.map(storage));
    this.#slots = layOut(this.#dispatches, (operand) => this.#persistent.has(operand), kept);
    this.bytes = this.#requests().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Takes the GPU memory and compiles: the second half of `compile`. What cannot fit is refused before anything is compiled.
   * Throws the errors of `compile`, and `GraphError` where the plan is prepared already or was disposed.
   */
  async prepare(): Promise<void> {
    const device = this.#device;
    if (this.#state !== "planned") throw this.#unusable("is prepared already", "Call prepare() once");
    checkVariables(device, this.#persistent, this.#buffers);
    checkSizes(device, this.#dispatches);
    device.checkRoom("the plan", this.#requests());
    this.#state = "preparing";
    try {
      await this.#takeMemory();
      if (this.#is("disposed")) throw this.#unusable();
      this.#state = "ready";
    } catch (error) {
      this.#release();
      if (!this.#is("disposed")) this.#state = "planned";
      throw error;
    }
  }

  async #takeMemory(): Promise<void> {
    const device = this.#device;
    const pipelines = await Promise.all(this.#dispatches.map((dispatch) => device.pipeline(pipelineOf(dispatch))));
    for (const [i, dispatch] of this.#dispatches.entries()) checkBindings(device, dispatch, pipelines[i] as Pipeline);
    const params = packAll(this.#dispatches, pipelines);
    const [block, ...buffers] = (await device.allocate(this.#requests())) as [Buffer, ...Buffer[]];
    this.#owned.push(block, ...buffers);
    device.write(block, params);
    this.#assign(buffers);
    const commands = await this.#createCommands(pipelines, block);
    this.#batches = batchesOf(commands, this.#dispatches, device.info.software);
  }

  /** What the plan allocates, in a fixed order: parameter blocks, own tensors, slots of temporaries, staging. */
  #requests(): BufferRequest[] {
    const usage = BufferUsage.STORAGE | BufferUsage.UNIFORM | BufferUsage.COPY_SRC | BufferUsage.COPY_DST;
    const own = [...this.#persistent].filter((operand) => !(operand instanceof Variable));
    return [
      {
        label: "parameters of the kernels",
        bytes: Math.max(1, this.#dispatches.length) * PARAMS_ALIGNMENT,
        usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST,
      },
      ...own.map((operand) => ({ label: operand.name, bytes: byteSize(operand), usage })),
      ...this.#slots.slots.map(({ label, bytes }) => ({ label, bytes, usage })),
      ...this.#readbacks.map(({ path, tensor }) => ({
        label: `readback of ${path ?? tensor.name}`,
        bytes: byteSize(tensor),
        usage: BufferUsage.MAP_READ | BufferUsage.COPY_DST,
      })),
    ];
  }

  #assign(buffers: readonly Buffer[]): void {
    let next = 0;
    for (const operand of this.#persistent) {
      if (operand instanceof Variable) {
        this.#buffers.set(operand, operand.buffer as Buffer);
        continue;
      }
      const buffer = buffers[next++] as Buffer;
      this.#buffers.set(operand, buffer);
      if (operand instanceof Constant) this.#device.write(buffer, operand.data);
    }
    const bySlot = new Map(this.#slots.slots.map((slot) => [slot, buffers[next++] as Buffer]));
    for (const [operand, slot] of this.#slots.slotOf) this.#buffers.set(operand, bySlot.get(slot) as Buffer);
    for (const readback of this.#readbacks) this.#staging.set(readback, buffers[next++] as Buffer);
  }

  #createCommands(pipelines: readonly Pipeline[], block: Buffer) {
    return this.#device.guard("plan", () =>
      this.#dispatches.map((dispatch, i) => {
        const pipeline = pipelines[i] as Pipeline;
        const entries = pipeline.interface.bindings.map(({ name, index }) => ({
          binding: index,
          resource: this.#resource(dispatch, name),
        }));
        const { paramsIndex } = pipeline.interface;
        if (paramsIndex !== undefined) {
          const resource = { buffer: block.gpu, offset: i * PARAMS_ALIGNMENT, size: PARAMS_ALIGNMENT };
          entries.push({ binding: paramsIndex, resource });
        }
        const bindGroup = this.#device.gpu.createBindGroup({ label: dispatch.label, layout: pipeline.layout, entries });
        return { label: dispatch.label, pipeline: pipeline.gpu, bindGroup, workgroups: dispatch.workgroups };
      }),
    );
  }

  #resource(dispatch: Dispatch, name: string): GPUBufferBinding {
    const operand = dispatch.bindings[name] as Operand;
    const buffer = (this.#buffers.get(storage(operand)) as Buffer).gpu;
    return { buffer, offset: 0, size: byteSize(operand) };
  }

  /** What a run dispatches, in order. */
  get dispatches(): readonly PlannedDispatch[] {
    return this.#dispatches;
  }

  /** Number of dispatches of a run. */
  get dispatchCount(): number {
    return this.#dispatches.length;
  }

  /**
   * Runs once with new data and returns the outputs with their shapes: Float32Array for f32 tensors, Int32Array or
   * Uint32Array for indices, flat and row-major. Throws `ShapeError` where an input is missing, or has another number of
   * values, another shape or another type.
   */
  async run<Name extends keyof Out & string = keyof Out & string>(
    data: DataOf<In>,
    options: RunOptions<Name> = {},
  ): Promise<ResultsOf<Pick<Out, Name>>> {
    if (this.#is("running")) throw this.#unusable("is running", "Await one run before the next");
    this.#checkReady();
    this.#state = "running";
    const { profiler } = options;
    try {
      await phase(profiler, "upload", () => this.write(data));
      await this.replay(options);
      return await phase(profiler, "read", () => this.read(options.read));
    } catch (error) {
      // A plan that is disposed meanwhile fails in whatever way WebGPU notices first.
      if (this.#is("disposed") && error instanceof GpuError) {
        this.#device.check();
        throw this.#unusable();
      }
      throw error;
    } finally {
      if (this.#is("running")) this.#state = "ready";
    }
  }

  /** A method, because TypeScript takes a state it has seen for the state after an `await`. */
  #is(state: "running" | "disposed"): boolean {
    return this.#state === state;
  }

  #checkReady(): void {
    if (this.#state === "planned" || this.#state === "preparing" || this.#state === "disposed")
      throw this.#unusable("is not prepared", "Await prepare() first, or use compile()");
    checkVariables(this.#device, this.#persistent, this.#buffers);
  }

  #unusable(problem = "", advice = ""): GraphError {
    if (this.#is("disposed")) return new GraphError("the plan was disposed", "Compile it again");
    return new GraphError(`the plan ${problem}`, advice);
  }

  /** The first part of `run`, for callers that time `replay` separately. */
  write(data: DataOf<In>): void {
    this.#checkReady();
    const given = dataByPath(data);
    for (const tensor of this.#inputs) {
      const value = tensor.supply?.() ?? given.get(tensor.name);
      if (!value) throw new ShapeError("run", `input ${tensor.name}`, `is missing; its shape is [${tensor.shape}]`);
      const values = "data" in value ? value.data : value;
      if ("data" in value && value.shape.join() !== tensor.shape.join())
        throw new ShapeError("run", `input ${tensor.name}`, `has shape [${value.shape}], not [${tensor.shape}]`);
      if (values.length !== tensor.size)
        throw new ShapeError(
          "run",
          `input ${tensor.name}`,
          `has ${values.length} values, its shape is [${tensor.shape}]`,
        );
      if (values instanceof Float32Array !== (tensor.dtype === "f32"))
        throw new ShapeError(
          "run",
          `input ${tensor.name}`,
          `is a ${values.constructor.name}, the tensor is ${tensor.dtype}`,
        );
      this.#device.write(this.#buffers.get(tensor) as Buffer, values);
    }
  }

  /** The second part of `run`: replays the dispatches, each submission a pass that `timestamps` times. */
  async replay({ onProgress, signal, profiler }: RunOptions = {}, timestamps?: Timestamps): Promise<void> {
    this.#checkReady();
    if (profiler) return await profiler.run(this.#batches, this.#dispatches);
    // Without a watcher the queue may run ahead; with one, what is shown must be true.
    if (!onProgress && !signal) return await this.#device.submit(this.#batches, timestamps);
    for (const batch of this.#batches) {
      signal?.throwIfAborted();
      const { stage, total, share, shareAfter } = batch;
      onProgress?.({ stage, done: batch.done, total, share });
      await this.#device.submit([batch], timestamps);
      await this.#device.finish();
      const done = batch.done + batch.commands.length;
      if (done === total) onProgress?.({ stage, done, total, share: shareAfter });
    }
    signal?.throwIfAborted();
  }

  /** The last part of `run`: the outputs of these names, default all. */
  async read<Name extends keyof Out & string = keyof Out & string>(
    names?: readonly Name[],
  ): Promise<ResultsOf<Pick<Out, Name>>> {
    this.#checkReady();
    const all = this.#outputs as Out;
    const tree = names ? Object.fromEntries(names.map((name) => [name, all[name]])) : all;
    const paths = new Set(tensorsOfTree(tree).map(([path]) => path));
    const chosen = this.#readbacks.filter(({ path }) => path === undefined || paths.has(path));
    await this.#device.copy(
      chosen.map((readback) => ({
        from: this.#buffers.get(storage(readback.tensor)) as Buffer,
        to: this.#staging.get(readback) as Buffer,
        bytes: byteSize(readback.tensor),
      })),
    );
    const results = new Map<string, Result>();
    await Promise.all(
      chosen.map(async (readback) => {
        const { path, tensor, receive } = readback;
        const bytes = await this.#device.mapped(this.#staging.get(readback) as Buffer, byteSize(tensor));
        const values = typed(bytes, tensor.dtype);
        receive?.(values);
        if (path !== undefined) results.set(path, new Result(path, tensor.shape, values));
      }),
    );
    return mapTensors(tree, (path) => results.get(path)) as ResultsOf<Pick<Out, Name>>;
  }

  /** Frees the plan's GPU memory; variables stay. Safe to repeat. */
  dispose(): void {
    this.#state = "disposed";
    this.#release();
  }

  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #release(): void {
    for (const buffer of this.#owned) buffer.dispose();
    this.#owned.length = 0;
  }
}

function typed(bytes: ArrayBuffer, dtype: Dtype): Data {
  if (dtype === "f32") return new Float32Array(bytes);
  return dtype === "i32" ? new Int32Array(bytes) : new Uint32Array(bytes);
}
