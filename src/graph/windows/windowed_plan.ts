/**
 * A plan for maps that do not fit in GPU memory: the graph runs window by window, with the bits of the whole run.
 *
 * Local operations are grouped into stages (stages.ts). A tile of a stage's outputs is computed when something asks for it:
 * the stage's sources are cut out with a halo, an ordinary plan runs, and the halo is cropped. Statistics are sums over aligned
 * blocks, which are local, and a small operation that combines them. Matching has its own way through the tiles
 * (matching.ts). Maps wait in host memory, in tiles; tiles that were dropped are computed again. One plan is on the GPU at a
 * time, so the peak is that of the largest.
 *
 * Why the bits are those of the whole run: zero padding at an inner edge only spoils the halo; windows are aligned, so
 * Winograd's tiles and the blocks of statistics lie as in the whole map; and every node takes the variant that it would take
 * for the whole map, so every sum has the same order.
 */
import type { Device } from "../../gpu/device.js";
import { formatBytes, LimitError, ShapeError } from "../../gpu/errors.js";
import { byteSize, type FloatStorage } from "../../kernels/kernel.js";
import { liveNodes, type NodeWork, workOf, workOfNodes } from "../plan/dispatches.js";
import { type Data, type Plan, plan } from "../plan/plan.js";
import { cast, type Graph, input, recordNode, scope, storedAs, trace } from "../trace/graph.js";
import {
  Constant,
  GraphError,
  Input,
  mapInputs,
  type Node,
  type Tensor,
  tensorsOf,
  Variable,
} from "../trace/tensor.js";
import {
  type Arrays,
  coarseMatchInBands,
  fineMatchInParts,
  type Source,
  transferTile,
  transferTiling,
} from "./matching.js";
import { ruleOf, sizeOf } from "./rules.js";
import { cutIntoStages, type Range, rangeIn, type Stage, windowOf } from "./stages.js";
import { copyWindow, TileCache, type Tiling, tilesIn, type Window } from "./tiles.js";

/** How much memory a windowed plan may take. */
export interface WindowOptions {
  /** GPU memory of its plans, in bytes; variables come on top. */
  readonly memory: number;
  /** Host memory for tiles, in bytes. Default 768 MiB. */
  readonly hostMemory?: number | undefined;
}

const HOST_MEMORY = 768 * 2 ** 20;

/** How far a windowed run is. */
export interface WindowProgress {
  /** The outermost scope of what is being computed. */
  readonly stage: string;
  /** How much of the estimated work is done, 0 to 1. */
  readonly share: number;
}

export interface WindowRunOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: WindowProgress) => void) | undefined;
}

/** What a windowed run will take and do, estimated before anything is allocated. */
export interface WindowEstimate {
  /** Peak of GPU memory, variables not included. */
  readonly bytes: number;
  /** FLOP of the windows, halos included; each tile is counted once. */
  readonly flops: number;
  /** Share of that work that computes halos. */
  readonly haloShare: number;
}

/** Tensors that are needed whole must be small; the handlers of matching take others apart. */
const IN_PARTS = { coarse_match: coarseMatchInBands, fine_match: fineMatchInParts } as const;

type Tensors = Readonly<Record<string, Tensor>>;

/** A stage with the tiles that its outputs are computed in. */
interface TiledStage {
  readonly stage: Stage;
  readonly tiling: Tiling;
}

/** A graph made ready to run in windows. `run` may be called again and again, one call after another. */
export class WindowedPlan<Out extends string = string> {
  readonly #device: Device;
  readonly #memory: number;
  readonly #outputs: readonly [Out, Tensor][];
  readonly #inputs: readonly Input[];
  /** What each node of the whole graph would run: the names of its variants, and its work in FLOP. */
  readonly #variants: ReadonlyMap<Node, NodeWork>;
  /** The node of the whole graph that a node of a window's graph stands for. */
  readonly #wholeOf = new WeakMap<Node, Node>();
  #peak = 0;
  readonly #stages = new Map<Node, TiledStage>();
  /** Work of the windows of each shape. */
  readonly #recorded = new Map<string, number>();
  readonly #cache: TileCache;
  #resident: { readonly key: string; readonly plan: Plan } | undefined;
  #run: Run | undefined;

  /**
   * Traces `build` for inputs of these shapes and sizes the windows. Takes no GPU memory. Throws `LimitError` where even the
   * smallest windows do not fit, and `GraphError` for a graph that cannot be cut into windows.
   */
  constructor(
    device: Device,
    inputs: Readonly<Record<string, readonly number[]>>,
    build: (inputs: Tensors) => Readonly<Record<Out, Tensor>>,
    { memory, hostMemory = HOST_MEMORY }: WindowOptions,
  ) {
    this.#device = device;
    this.#memory = memory;
    this.#cache = new TileCache(hostMemory);
    const traced = trace(() => {
      const tensors = Object.entries(inputs).map(([name, shape]) => [name, input(name, shape)]);
      return build(Object.fromEntries(tensors));
    });
    const { graph, result } = trace(() => decomposed(traced.graph, traced.result));
    this.#inputs = graph.inputs;
    this.#outputs = Object.entries(result) as [Out, Tensor][];
    const outputs = this.#outputs.map(([, tensor]) => tensor);
    const nodes = liveNodes(graph, outputs);
    this.#variants = workOfNodes(device, nodes);
    for (const [end, stage] of cutIntoStages(nodes, outputs)) this.#stages.set(end, this.#tiled(stage));
    this.estimate = this.#estimated();
  }

  readonly estimate: WindowEstimate;

  /**
   * Runs with the data of the inputs and returns the outputs, flat and row-major. Throws the reason of `signal` within a batch
   * of dispatches.
   */
  async run(data: Readonly<Record<string, Float32Array>>, options: WindowRunOptions = {}): Promise<Record<Out, Data>> {
    if (this.#run) throw new GraphError("the plan is running", "Await one run before the next");
    for (const { name, size, shape } of this.#inputs) {
      if (data[name]?.length !== size)
        throw new ShapeError("run", `input ${name}`, `has ${data[name]?.length ?? 0} values, its shape is [${shape}]`);
    }
    options.signal?.throwIfAborted();
    this.#run = { data, options, whole: new Map(), done: 0 };
    try {
      const results: [Out, Data][] = [];
      for (const [name, tensor] of this.#outputs) results.push([name, await this.#source.whole(tensor)]);
      return Object.fromEntries(results) as Record<Out, Data>;
    } finally {
      this.#run = undefined;
      this.#cache.clear();
      this.dispose();
    }
  }

  /** Frees the GPU memory of the plan in use. Safe to repeat. */
  dispose(): void {
    this.#resident?.plan.dispose();
    this.#resident = undefined;
  }

  readonly #source: Source = {
    whole: (tensor) => this.#whole(tensor),
    tiling: (tensor) => this.#tiling(tensor),
    tile: (tensor, rows, columns) => this.#tile(tensor, rows, columns),
    window: (tensor, rows, columns) => this.#window(tensor, rows, columns),
    compute: (key, inputs, build) => this.#compute(key, inputs, build),
    fitting: (most, inputs, build) => this.#fitting(most, inputs, build),
  };

  async #whole(tensor: Tensor): Promise<Data> {
    const run = this.#run as Run;
    const known = run.whole.get(tensor);
    if (known) return known;
    if (tensor instanceof Constant) return tensor.data;
    if (tensor instanceof Input) return run.data[tensor.name] as Float32Array;
    const { node } = tensor;
    if (!node) throw new GraphError(`${tensor.name} cannot be read in windows`, "Return it from a graph of its own");
    if (this.#isMap(tensor)) return (await this.#window(tensor, [0, sizeOf(tensor)[0]], [0, sizeOf(tensor)[1]])).data;
    const inParts = IN_PARTS[node.operation.name as keyof typeof IN_PARTS];
    const results = inParts ? await inParts(node, this.#source) : await this.#computeWhole(node);
    for (const [name, output] of Object.entries(node.outputs)) run.whole.set(output, results[name] as Data);
    return run.whole.get(tensor) as Data;
  }

  /** A small operation at once. */
  async #computeWhole(node: Node): Promise<Readonly<Record<string, Data>>> {
    const read = tensorsOf(node.inputs).filter((tensor) => !(tensor instanceof Variable));
    const inputs: Record<string, Arrays[string]> = {};
    for (const [i, tensor] of read.entries()) inputs[`${i}`] = { shape: tensor.shape, data: await this.#whole(tensor) };
    return await this.#compute(`${node.order}`, inputs, (tensors) =>
      recordNode(
        node.operation,
        mapInputs(node.inputs, (tensor) => tensors[`${read.indexOf(tensor)}`] ?? tensor),
        node.attributes,
      ),
    );
  }

  /** Whether a tensor is kept in tiles. */
  #isMap({ node }: Tensor): boolean {
    return node !== undefined && (this.#stages.has(node) || node.operation.name === "transfer");
  }

  #tiling(tensor: Tensor): Tiling {
    const { node } = tensor;
    if (!node) return { size: sizeOf(tensor), tile: sizeOf(tensor) };
    return this.#stages.get(node)?.tiling ?? transferTiling(node);
  }

  async #tile(tensor: Tensor, rows: Range, columns: Range): Promise<Window> {
    const { node } = tensor;
    if (!node) return { rows, columns, data: await this.#whole(tensor) } as Window;
    const key = `${node.order} ${rows} ${columns}`;
    const at = Object.values(node.outputs).indexOf(tensor);
    const known = this.#cache.get(key);
    if (known) return known[at] as Window;
    const tiled = this.#stages.get(node);
    const windows = tiled
      ? await this.#stageTile(tiled, rows, columns)
      : [await transferTile(node, this.#source, rows, columns)];
    this.#cache.set(key, windows);
    return windows[at] as Window;
  }

  async #window(tensor: Tensor, rows: Range, columns: Range): Promise<Window> {
    const channels = tensor.shape[1] as number;
    const window: Window = {
      ...{ rows, columns },
      data: new Float32Array(channels * (rows[1] - rows[0]) * (columns[1] - columns[0])),
    };
    for (const place of tilesIn(this.#tiling(tensor), rows, columns))
      copyWindow(await this.#tile(tensor, place.rows, place.columns), window, channels);
    return window;
  }

  /** Computes a tile of a stage's outputs. */
  async #stageTile({ stage, tiling }: TiledStage, rows: Range, columns: Range): Promise<Window[]> {
    const { end, sources } = stage;
    const around = [rows, columns].map((range, axis) =>
      windowOf(stage, range, tiling.tile[axis] as number, tiling.size[axis] as number),
    ) as [Range, Range];
    const inputs: Record<string, Arrays[string]> = {};
    for (const [i, tensor] of sources.entries()) {
      const [r, c] = this.#rangesIn(stage, tensor, around);
      const { data } = await this.#window(tensor, r, c);
      inputs[`${i}`] = { shape: [1, tensor.shape[1] as number, r[1] - r[0], c[1] - c[0]], data };
    }
    for (const [i, tensor] of this.#wholesOf(stage).entries())
      inputs[`whole ${i}`] = { shape: tensor.shape, data: await this.#whole(tensor) };
    const results = await this.#compute(stageKey(stage, around), inputs, (tensors) =>
      this.#recordStage(stage, around, tensors),
    );
    return Object.entries(end.outputs).map(([name, { shape }]) => {
      const tile = {
        rows,
        columns,
        data: new Float32Array(shape[1]! * (rows[1] - rows[0]) * (columns[1] - columns[0])),
      };
      copyWindow(
        { rows: around[0], columns: around[1], data: results[name] as Float32Array },
        tile,
        shape[1] as number,
      );
      return tile;
    });
  }

  /** Tensors that a stage uses whole: statistics. Variables and constants are there already. */
  #wholesOf({ nodes, scales }: Stage): Tensor[] {
    const read = nodes.flatMap(({ inputs }) => tensorsOf(inputs)).filter((tensor) => !scales.has(tensor));
    return [...new Set(read)].filter((tensor) => !(tensor instanceof Variable || tensor instanceof Constant));
  }

  #rangesIn(stage: Stage, tensor: Tensor, [rows, columns]: readonly [Range, Range]): [Range, Range] {
    const [height, width] = sizeOf(Object.values(stage.end.outputs)[0] as Tensor);
    return [rangeIn(stage, tensor, 0, rows, height), rangeIn(stage, tensor, 1, columns, width)];
  }

  /** Records the nodes of a stage for the window `around` of its outputs. */
  #recordStage(stage: Stage, around: readonly [Range, Range], tensors: Tensors): Tensors {
    const known = new Map<Tensor, Tensor>();
    for (const [i, tensor] of stage.sources.entries()) known.set(tensor, asStored(tensor, tensors[`${i}`] as Tensor));
    for (const [i, tensor] of this.#wholesOf(stage).entries())
      known.set(tensor, asStored(tensor, tensors[`whole ${i}`] as Tensor));
    let results: Tensors = {};
    for (const node of stage.nodes) {
      const [result] = Object.values(node.outputs) as [Tensor];
      const [rows, columns] = this.#rangesIn(stage, result, around);
      const attributes = ruleOf(node)?.attributes?.([rows[1] - rows[0], columns[1] - columns[0]]) ?? node.attributes;
      const inputs = mapInputs(node.inputs, (tensor) => known.get(tensor) ?? tensor);
      results = scope(node.scope, () =>
        storedAs(storageOf(node), () => recordNode(node.operation, inputs, attributes)),
      );
      for (const [name, tensor] of Object.entries(node.outputs)) {
        known.set(tensor, results[name] as Tensor);
        this.#wholeOf.set((results[name] as Tensor).node as Node, node);
      }
    }
    return results;
  }

  /** Work of a window in FLOP; the peak of memory covers it. */
  #workOf(stage: Stage, around: readonly [Range, Range]): number {
    const key = stageKey(stage, around);
    const known = this.#recorded.get(key);
    if (known !== undefined) return known;
    const made = this.#plan(this.#shapesOf(stage, around), (tensors) => this.#recordStage(stage, around, tensors));
    const work = made.dispatches.reduce((sum, dispatch) => sum + workOf(dispatch), 0);
    this.#peak = Math.max(this.#peak, made.bytes);
    this.#recorded.set(key, work);
    return work;
  }

  /** The largest tiles for which a stage's windows fit into memory. */
  #tiled(stage: Stage): TiledStage {
    const size = sizeOf(Object.values(stage.end.outputs)[0] as Tensor);
    const tile: [number, number] = [...size];
    for (;;) {
      const around = [0, 1].map((axis) =>
        windowOf(stage, [0, tile[axis] as number], tile[axis] as number, size[axis] as number),
      ) as [Range, Range];
      if (this.#fits(this.#shapesOf(stage, around), (tensors) => this.#recordStage(stage, around, tensors)))
        return { stage, tiling: { size, tile } };
      const axis = tile[0] >= tile[1] ? 0 : 1;
      if (tile[axis] <= stage.grid)
        throw new LimitError(
          `${stage.end.scope || stage.end.operation.name}: the smallest window does not fit into ${formatBytes(this.#memory)}`,
          "Allow more GPU memory",
        );
      tile[axis] = stage.grid * Math.ceil(tile[axis] / 2 / stage.grid);
    }
  }

  #shapesOf(stage: Stage, around: readonly [Range, Range]): Arrays {
    const maps = stage.sources.map((tensor, i) => {
      const [r, c] = this.#rangesIn(stage, tensor, around);
      return [`${i}`, { shape: [1, tensor.shape[1] as number, r[1] - r[0], c[1] - c[0]], data: NONE }] as const;
    });
    const wholes = this.#wholesOf(stage).map(
      (tensor, i) => [`whole ${i}`, { shape: tensor.shape, data: NONE }] as const,
    );
    return Object.fromEntries([...maps, ...wholes]);
  }

  #fitting(most: number, inputs: (size: number) => Arrays, build: (tensors: Tensors) => Tensors): number {
    for (let size = most; ; size = Math.ceil(size / 2)) {
      if (this.#fits(inputs(size), build)) return size;
      if (size === 1)
        throw new LimitError(
          `matching: one block does not fit into ${formatBytes(this.#memory)}`,
          "Allow more GPU memory",
        );
    }
  }

  /** Whether a plan fits into memory and its tensors into bindings. */
  #fits(inputs: Arrays, build: (tensors: Tensors) => Tensors): boolean {
    try {
      const made = this.#plan(inputs, build);
      const { maxStorageBufferBindingSize } = this.#device.limits;
      const largest = made.dispatches.flatMap(({ bindings }) => Object.values(bindings).map(byteSize));
      return made.bytes <= this.#memory && Math.max(...largest) <= maxStorageBufferBindingSize;
    } catch (error) {
      if (error instanceof LimitError) return false;
      throw error;
    }
  }

  /** A plan whose nodes take the variants that the whole graph's take. */
  #plan(inputs: Arrays, build: (tensors: Tensors) => Tensors): Plan {
    const specs = Object.fromEntries(
      Object.entries(inputs).map(([name, { shape, data }]) => [
        name,
        data instanceof Int32Array ? { shape, dtype: "i32" as const } : shape,
      ]),
    );
    const made = plan(this.#device, specs, build);
    const forced = new Map(this.#device.choices);
    const asked = new Map<Node, number>();
    for (const { node, key, candidates } of made.choices) {
      const nth = asked.get(node) ?? 0;
      asked.set(node, nth + 1);
      const whole = this.#wholeOf.get(node);
      const variant = whole && this.#variants.get(whole)?.variants[nth];
      if (variant !== undefined && candidates.includes(variant)) forced.set(key, variant);
    }
    const differs = made.choices.some(({ key, taken }) => (forced.get(key) ?? taken) !== taken);
    return differs ? plan(this.#device, specs, build, { choices: forced }) : made;
  }

  async #compute(key: string, inputs: Arrays, build: (tensors: Tensors) => Tensors) {
    const run = this.#run as Run;
    const { signal, onProgress } = run.options;
    signal?.throwIfAborted();
    if (this.#resident?.key !== key) {
      this.dispose();
      const made = this.#plan(inputs, build);
      this.#resident = { key, plan: made };
      await made.prepare();
    }
    const { plan: resident } = this.#resident as { plan: Plan };
    const work = resident.dispatches.reduce((sum, dispatch) => sum + workOf(dispatch), 0);
    const watch = onProgress && {
      onProgress: ({ stage, share }: { stage: string; share: number }) =>
        onProgress({ stage, share: Math.min(1, (run.done + share * work) / this.estimate.flops) }),
    };
    const data = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.data]));
    const results = await resident.run(data, { ...(signal && { signal }), ...watch });
    run.done += work;
    return results as Readonly<Record<string, Data>>;
  }

  #estimated(): WindowEstimate {
    let [flops, useful] = [0, 0];
    const inStages = new Set<Node>();
    for (const { stage, tiling } of this.#stages.values()) {
      for (const node of stage.nodes) inStages.add(node);
      useful += stage.nodes.reduce((sum, node) => sum + (this.#variants.get(node)?.work ?? 0), 0);
      for (const { rows, columns } of tilesIn(tiling, [0, tiling.size[0]], [0, tiling.size[1]])) {
        const around = [rows, columns].map((range, axis) =>
          windowOf(stage, range, tiling.tile[axis] as number, tiling.size[axis] as number),
        ) as [Range, Range];
        flops += this.#workOf(stage, around);
      }
    }
    const halo = flops - useful;
    for (const [node, { work }] of this.#variants) if (!inStages.has(node)) flops += work;
    return { bytes: this.#peak, flops, haloShare: Math.max(0, halo / flops) };
  }
}

const NONE = new Float32Array(0);

/** One run. */
interface Run {
  readonly data: Readonly<Record<string, Float32Array>>;
  readonly options: WindowRunOptions;
  /** What is small, or was asked for whole. */
  readonly whole: Map<Tensor, Data>;
  /** Work done. */
  done: number;
}

/** Records `graph` again with every operation that can be decomposed in its parts; returns what stands for `results`. */
function decomposed<Out extends string>(graph: Graph, results: Readonly<Record<Out, Tensor>>): Record<Out, Tensor> {
  const known = new Map<Tensor, Tensor>(graph.inputs.map((tensor) => [tensor, input(tensor.name, tensor.shape)]));
  const now = (tensor: Tensor) => known.get(tensor) ?? tensor;
  for (const node of graph.nodes) {
    const { operation, attributes } = node;
    const inputs = mapInputs(node.inputs, now);
    const outputs = scope(node.scope, () =>
      storedAs(
        storageOf(node),
        () => operation.decompose?.(inputs, attributes) ?? recordNode(operation, inputs, attributes),
      ),
    );
    for (const [name, tensor] of Object.entries(node.outputs)) known.set(tensor, outputs[name] as Tensor);
  }
  return Object.fromEntries(Object.entries<Tensor>(results).map(([name, tensor]) => [name, now(tensor)])) as Record<
    Out,
    Tensor
  >;
}

/** How the graph stores a node's outputs. */
function storageOf({ outputs }: Node): FloatStorage {
  return Object.values(outputs).some(({ dtype }) => dtype === "f16") ? "f16" : "f32";
}

/** A window as the graph stores the map: what comes from the host is f32. */
function asStored({ dtype }: Tensor, tensor: Tensor): Tensor {
  return dtype === "f16" ? cast(tensor, "f16") : tensor;
}

function stageKey({ end }: Stage, [rows, columns]: readonly [Range, Range]): string {
  return `${end.order} ${rows[1] - rows[0]}×${columns[1] - columns[0]}`;
}
