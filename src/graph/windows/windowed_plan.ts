/**
 * A plan for maps that do not fit into GPU memory: the graph runs window by window, with the bits of the whole run.
 *
 * Local operations are grouped into stages (stages.ts). A tile of a stage's outputs is computed when something asks for it:
 * the stage's sources are cut out with a halo, an ordinary plan runs, and the halo is cropped. Statistics are moments of
 * aligned blocks, which are local, and a small operation that combines them. Matching has its own way through the tiles
 * (matching.ts). Maps wait in host memory, in tiles; tiles that were dropped are computed again. One plan is on the GPU at a
 * time, so the peak is that of the largest.
 *
 * Why the bits are those of the whole run: zero padding at an inner edge only spoils the halo; windows are aligned, so
 * Winograd's tiles and the blocks of statistics lie as in the whole map; and every node takes the variant that it would take
 * for the whole map, so every sum has the same order.
 */
import { advice } from "../../errors.js";
import type { Device } from "../../gpu/device.js";
import { formatBytes, LimitError, ShapeError } from "../../gpu/errors.js";
import { liveNodes, workOfNodes } from "../plan/dispatches.js";
import type { Data, InputSpec } from "../plan/plan.js";
import { input, recordNode, trace } from "../trace/graph.js";
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
import { decompose } from "./decompose.js";
import { CoarseMatch, FineMatch, type InParts, type Source, Transfer } from "./matching.js";
import { type PlanSpec, Plans } from "./plans.js";
import { sizeOf } from "./rules.js";
import { rangesIn, recordStage, shapesOf, type Tensors, wholesOf, windowAround } from "./stage_graph.js";
import { cutIntoStages, type Range, type Stage } from "./stages.js";
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

/** How a windowed run is watched and stopped. */
export interface WindowRunOptions {
  /** Stops between dispatches. */
  readonly signal?: AbortSignal | undefined;
  /** Called as the GPU completes work. */
  readonly onProgress?: ((progress: WindowProgress) => void) | undefined;
}

/** What a windowed run will take and do, known before anything is allocated. */
export interface WindowEstimate {
  /** Peak of GPU memory, variables not included. */
  readonly bytes: number;
  /** FLOP of the windows, halos included; each tile is counted once. */
  readonly flops: number;
  /** Share of that work that computes halos. */
  readonly haloShare: number;
  /** Windows of all stages. */
  readonly windows: number;
}

/** A stage with the tiles that its outputs are computed in. */
interface TiledStage {
  readonly stage: Stage;
  readonly tiling: Tiling;
}

/** One run. */
interface Run {
  readonly data: Readonly<Record<string, Float32Array>>;
  readonly options: WindowRunOptions;
  /** What is small, or was computed at once. */
  readonly whole: Map<Tensor, Data>;
  /** Work done, in FLOP. */
  done: number;
}

/** A graph made ready to run in windows. `run` may be called repeatedly, one call after another. */
export class WindowedPlan<Out extends string = string> {
  readonly estimate: WindowEstimate;
  readonly #plans: Plans;
  readonly #outputs: readonly [Out, Tensor][];
  readonly #inputs: readonly Input[];
  readonly #stages = new Map<Node, TiledStage>();
  /** The nodes that look at more than a window. */
  readonly #inParts = new Map<Node, InParts>();
  readonly #cache: TileCache;
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
    this.#cache = new TileCache(hostMemory);
    const traced = trace(() =>
      build(Object.fromEntries(Object.entries(inputs).map(([name, shape]) => [name, input(name, shape)]))),
    );
    const { graph, result } = decompose(traced.graph, traced.result);
    this.#inputs = graph.inputs;
    this.#outputs = Object.entries(result) as [Out, Tensor][];
    const outputs = this.#outputs.map(([, tensor]) => tensor);
    const nodes = liveNodes(graph, outputs);
    const works = workOfNodes(device, nodes);
    this.#plans = new Plans(device, memory, works);
    for (const [end, stage] of cutIntoStages(nodes, outputs)) this.#stages.set(end, this.#tiled(stage));
    for (const node of nodes) {
      const Parts = IN_PARTS[node.operation.name];
      if (Parts) this.#inParts.set(node, new Parts(node, this.#plans));
    }
    this.estimate = this.#estimated(nodes.map((node) => [node, works.get(node)?.work ?? 0]));
  }

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
      for (const [name, tensor] of this.#outputs) results.push([name, await this.#whole(tensor)]);
      return Object.fromEntries(results) as Record<Out, Data>;
    } finally {
      this.#run = undefined;
      this.#cache.clear();
      this.#plans.dispose();
    }
  }

  readonly #source: Source = {
    whole: (tensor) => this.#whole(tensor),
    tiling: (tensor) => this.#tiling(tensor),
    tile: (tensor, rows, columns) => this.#tile(tensor, rows, columns),
    window: (tensor, rows, columns) => this.#window(tensor, rows, columns),
    compute: (spec, data) => this.#compute(spec, data),
  };

  async #whole(tensor: Tensor): Promise<Data> {
    const run = this.#run as Run;
    if (tensor instanceof Constant) return tensor.data;
    if (tensor instanceof Input) return run.data[tensor.name] as Float32Array;
    const known = run.whole.get(tensor);
    if (known) return known;
    const { node } = tensor;
    if (!node) throw new GraphError(`${tensor.name} cannot be computed in windows`, "Run the graph as a whole");
    if (this.#isMap(node)) return (await this.#window(tensor, [0, sizeOf(tensor)[0]], [0, sizeOf(tensor)[1]])).data;
    const parts = this.#inParts.get(node);
    const results = (await parts?.whole?.(this.#source)) ?? (await this.#computeWhole(node));
    for (const [name, output] of Object.entries(node.outputs)) run.whole.set(output, results[name] as Data);
    return run.whole.get(tensor) as Data;
  }

  /** A small operation, at once. */
  async #computeWhole(node: Node): Promise<Readonly<Record<string, Data>>> {
    const spec = smallSpec(node);
    const data: Record<string, Data> = {};
    for (const [i, tensor] of readsOf(node).entries()) data[i] = await this.#whole(tensor);
    return await this.#compute(spec, data);
  }

  /** Whether a node's outputs are kept in tiles. */
  #isMap(node: Node): boolean {
    return this.#stages.has(node) || this.#inParts.get(node)?.tile !== undefined;
  }

  #tiling(tensor: Tensor): Tiling {
    const { node } = tensor;
    const tiling = node && (this.#stages.get(node) ?? this.#inParts.get(node))?.tiling;
    return tiling ?? { size: sizeOf(tensor), tile: sizeOf(tensor) };
  }

  async #tile(tensor: Tensor, rows: Range, columns: Range): Promise<Window> {
    const { node } = tensor;
    if (!node) return { rows, columns, data: (await this.#whole(tensor)) as Float32Array };
    const key = `${node.order} ${rows} ${columns}`;
    let windows = this.#cache.get(key);
    if (!windows) {
      const tiled = this.#stages.get(node);
      const inParts = this.#inParts.get(node);
      windows = tiled
        ? await this.#stageTile(tiled, rows, columns)
        : [(await inParts?.tile?.(this.#source, rows, columns)) as Window];
      this.#cache.set(key, windows);
    }
    return windows[Object.values(node.outputs).indexOf(tensor)] as Window;
  }

  async #window(tensor: Tensor, rows: Range, columns: Range): Promise<Window> {
    const channels = tensor.shape[1] as number;
    const data = new Float32Array(channels * (rows[1] - rows[0]) * (columns[1] - columns[0]));
    const window = { rows, columns, data };
    for (const place of tilesIn(this.#tiling(tensor), rows, columns))
      copyWindow(await this.#tile(tensor, place.rows, place.columns), window, channels);
    return window;
  }

  /** Computes a tile of a stage's outputs. */
  async #stageTile(tiled: TiledStage, rows: Range, columns: Range): Promise<Window[]> {
    const { stage, tiling } = tiled;
    const around = windowAround(stage, tiling, rows, columns);
    const data: Record<string, Data> = {};
    for (const [i, tensor] of stage.sources.entries())
      data[i] = (await this.#window(tensor, ...rangesIn(stage, tensor, around))).data;
    for (const [i, tensor] of wholesOf(stage).entries()) data[stage.sources.length + i] = await this.#whole(tensor);
    const results = await this.#compute(this.#specOf(tiled, rows, columns), data);
    return Object.entries(stage.end.outputs).map(([name, { shape }]) => {
      const channels = shape[1] as number;
      const size = channels * (rows[1] - rows[0]) * (columns[1] - columns[0]);
      const tile = { rows, columns, data: new Float32Array(size) };
      copyWindow({ rows: around[0], columns: around[1], data: results[name] as Float32Array }, tile, channels);
      return tile;
    });
  }

  /** The plan of the window that a tile is cut out of. */
  #specOf({ stage, tiling }: TiledStage, rows: Range, columns: Range): PlanSpec {
    const around = windowAround(stage, tiling, rows, columns);
    const [height, width] = around.map(([start, end]) => end - start);
    return {
      key: `${stage.end.order} ${height}×${width}`,
      inputs: shapesOf(stage, around),
      build: (tensors) => recordStage(stage, around, tensors, this.#plans.standsFor),
    };
  }

  /** The largest tiles for which a stage's windows fit into memory. */
  #tiled(stage: Stage): TiledStage {
    const size = sizeOf(Object.values(stage.end.outputs)[0] as Tensor);
    const tile: [number, number] = [...size];
    for (;;) {
      const tiled = { stage, tiling: { size, tile } };
      if (this.#plans.fits(this.#specOf(tiled, [0, tile[0]], [0, tile[1]]))) return tiled;
      const axis = tile[0] >= tile[1] ? 0 : 1;
      if (tile[axis] <= stage.grid)
        throw new LimitError(
          `${stage.end.scope || stage.end.operation.name}: the smallest window does not fit into ${formatBytes(this.#plans.memory)}`,
          advice("Allow more GPU memory", "Raise --memory"),
        );
      tile[axis] = stage.grid * Math.ceil(tile[axis] / 2 / stage.grid);
    }
  }

  async #compute(spec: PlanSpec, data: Readonly<Record<string, Data>>): Promise<Readonly<Record<string, Data>>> {
    const run = this.#run as Run;
    const { signal, onProgress } = run.options;
    const onWork = (stage: string, work: number) =>
      onProgress?.({ stage, share: Math.min(1, (run.done + work) / this.estimate.flops) });
    const { outputs, work } = await this.#plans.run(spec, data, { signal, onWork });
    run.done += work;
    return outputs;
  }

  #estimated(works: readonly (readonly [Node, number])[]): WindowEstimate {
    let [flops, halos, windows] = [0, 0, 0];
    const inStages = new Set<Node>();
    for (const tiled of this.#stages.values()) {
      const { stage, tiling } = tiled;
      for (const node of stage.nodes) inStages.add(node);
      for (const { rows, columns } of tilesIn(tiling, [0, tiling.size[0]], [0, tiling.size[1]])) {
        const work = this.#plans.expect(this.#specOf(tiled, rows, columns));
        const around = windowAround(stage, tiling, rows, columns);
        flops += work;
        halos += work * (1 - areaOf([rows, columns]) / areaOf(around));
        windows++;
      }
    }
    for (const [node, work] of works) {
      if (inStages.has(node)) continue;
      flops += work;
      if (!this.#inParts.has(node)) this.#plans.expect(smallSpec(node));
    }
    return { bytes: this.#plans.peak, flops, haloShare: halos / flops, windows };
  }
}

const IN_PARTS: Readonly<Record<string, new (node: Node, plans: Plans) => InParts>> = {
  coarse_match: CoarseMatch,
  fine_match: FineMatch,
  transfer: Transfer,
};

function areaOf([rows, columns]: readonly [Range, Range]): number {
  return (rows[1] - rows[0]) * (columns[1] - columns[0]);
}

/** What a small operation needs to be given. */
function readsOf({ inputs }: Node): Tensor[] {
  return tensorsOf(inputs).filter((tensor) => !(tensor instanceof Variable || tensor instanceof Constant));
}

/** The plan of an operation that runs at once. */
function smallSpec(node: Node): PlanSpec {
  const read = readsOf(node);
  const inputs = read.map(({ shape, dtype }): InputSpec => (dtype === "i32" ? { shape, dtype } : shape));
  return {
    key: `${node.order}`,
    inputs: Object.fromEntries(inputs.entries()),
    build: (tensors) =>
      recordNode(
        node.operation,
        mapInputs(node.inputs, (tensor) => tensors[read.indexOf(tensor)] ?? tensor),
        node.attributes,
      ),
  };
}
