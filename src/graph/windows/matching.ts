/**
 * Operations that look at more than a window: matching, which searches all of the reference, and extraction, which reads it at
 * any place. Each is computed in parts that its kernel knows already. The coarse match keeps the best of every band of the
 * reference. The fine match and the extraction take their search windows out of the tiles and treat each block as an image.
 */
import type { Data } from "../plan/plan.js";
import { constant, recordNode } from "../trace/graph.js";
import type { Node, Tensor } from "../trace/tensor.js";
import { asStored, recordLike } from "./decompose.js";
import type { PlanSpec, Plans } from "./plans.js";
import { sizeOf } from "./rules.js";
import type { Tensors } from "./stage_graph.js";
import type { Range } from "./stages.js";
import { copyWindow, type Tiling, tilesIn, type Window } from "./tiles.js";

/** What the parts of an operation are computed with. */
export interface Source {
  /** All values of a tensor that is small, or of which all is needed. */
  whole(tensor: Tensor): Promise<Data>;
  /** The tiling of a map, one of its tiles, and any window. */
  tiling(tensor: Tensor): Tiling;
  tile(tensor: Tensor, rows: Range, columns: Range): Promise<Window>;
  window(tensor: Tensor, rows: Range, columns: Range): Promise<Window>;
  compute(spec: PlanSpec, data: Readonly<Record<string, Data>>): Promise<Readonly<Record<string, Data>>>;
}

/** An operation that is computed in parts: at once into small outputs, or as a map tile by tile. */
export interface InParts {
  whole?(source: Source): Promise<Readonly<Record<string, Data>>>;
  readonly tiling?: Tiling;
  tile?(source: Source, rows: Range, columns: Range): Promise<Window>;
}

type Pair = readonly [number, number];

/** The coarse match: index and score of each block, the best of all bands of the reference. */
export class CoarseMatch implements InParts {
  readonly #node: Node;
  readonly #blocks: Pair;
  readonly #dilations: readonly number[];
  /** Rows around a position that its patches reach. */
  readonly #halo: number;
  /** Rows of blocks, and rows of Ref↓, that are compared at once. */
  readonly #blockRows: number;
  readonly #refRows: number;

  constructor(node: Node, plans: Plans) {
    this.#node = node;
    const { blocks, dilations } = node.attributes as { blocks: Pair; dilations: readonly number[] };
    [this.#blocks, this.#dilations, this.#halo] = [blocks, dilations, Math.max(...dilations)];
    const [height] = sizeOf(this.#ref);
    const middle = (blockRows: number, refRows: number) =>
      this.#spec(
        [0, Math.min(blocks[0], blockRows + 2)],
        [0, Math.min(height, refRows + 2 * this.#halo)],
        [0, Math.min(height, refRows)],
      );
    const what = "the coarse match of a row of blocks";
    this.#blockRows = plans.fitting(what, blocks[0], (rows) => middle(rows, 1));
    this.#refRows = plans.fitting(what, height, (rows) => middle(this.#blockRows, rows));
    for (const { spec } of this.#parts()) plans.expect(spec);
  }

  get #lr(): Tensor {
    return this.#node.inputs.lr as Tensor;
  }

  get #ref(): Tensor {
    return this.#node.inputs.ref as Tensor;
  }

  /** Which blocks are compared with which rows, and what is around both. */
  *#parts() {
    const [py] = this.#blocks;
    const [height] = sizeOf(this.#ref);
    for (let block = 0; block < py; block += this.#blockRows) {
      const own: Range = [block, Math.min(py, block + this.#blockRows)];
      const band: Range = [Math.max(0, own[0] - 1), Math.min(py, own[1] + 1)];
      for (let row = 0; row < height; row += this.#refRows) {
        const rows: Range = [row, Math.min(height, row + this.#refRows)];
        const around: Range = [Math.max(0, rows[0] - this.#halo), Math.min(height, rows[1] + this.#halo)];
        yield { own, band, rows, around, spec: this.#spec(band, around, rows) };
      }
    }
  }

  #spec(band: Range, around: Range, rows: Range): PlanSpec {
    const [, C, H, W] = this.#lr.shape as [number, number, number, number];
    const [py, px] = this.#blocks;
    const attributes = {
      blocks: [band[1] - band[0], px],
      dilations: this.#dilations,
      rows: [rows[0] - around[0], rows[1] - around[0]],
    };
    const lr = [1, C, ((band[1] - band[0]) * H) / py, W];
    const ref = [1, C, around[1] - around[0], sizeOf(this.#ref)[1]];
    return {
      key: `${this.#node.order} ${lr} ${ref} ${attributes.rows}`,
      inputs: { lr, ref },
      build: (tensors) => recordNode(this.#node.operation, tensors, attributes),
    };
  }

  async whole(source: Source) {
    const [, , H, W] = this.#lr.shape as [number, number, number, number];
    const [py, px] = this.#blocks;
    const [, width] = sizeOf(this.#ref);
    const index = new Int32Array(py * px);
    const score = new Float32Array(py * px).fill(Number.NEGATIVE_INFINITY);
    for (const { own, band, around, spec } of this.#parts()) {
      const lr = await source.window(this.#lr, [(band[0] * H) / py, (band[1] * H) / py], [0, W]);
      const ref = await source.window(this.#ref, around, [0, width]);
      const found = await source.compute(spec, { lr: lr.data, ref: ref.data });
      const [indices, scores] = [found.index as Int32Array, found.score as Float32Array];
      for (let block = own[0] * px; block < own[1] * px; block++) {
        const from = block - band[0] * px;
        // Bands ascend, so of equal scores the lowest position stays.
        if ((scores[from] as number) <= (score[block] as number)) continue;
        score[block] = scores[from] as number;
        index[block] = (indices[from] as number) + around[0] * width;
      }
    }
    return { index, score };
  }
}

interface FineAttributes {
  readonly blocks: Pair;
  readonly window: Pair;
}

/** The fine match: index and score of each pixel of each block, some blocks at a time. */
export class FineMatch implements InParts {
  readonly #node: Node;
  readonly #count: number;

  constructor(node: Node, plans: Plans) {
    this.#node = node;
    const { blocks } = node.attributes as FineAttributes;
    this.#count = plans.fitting("the fine match of a block", blocks[0] * blocks[1], (count) => this.#spec(count));
    plans.expect(this.#spec(this.#count));
  }

  /** A block of LR with the pixels around it. */
  get #patch(): Pair {
    const [H, W] = sizeOf(this.#node.inputs.lr as Tensor);
    const { blocks } = this.#node.attributes as FineAttributes;
    return [H / blocks[0] + 2, W / blocks[1] + 2];
  }

  #spec(count: number): PlanSpec {
    const { window } = this.#node.attributes as FineAttributes;
    const C = (this.#node.inputs.lr as Tensor).shape[1] as number;
    return {
      key: `${this.#node.order} ${count}`,
      inputs: { lr: [count, C, ...this.#patch], ref: [count, C, ...window] },
      build: (tensors) =>
        recordNode(this.#node.operation, { ...tensors, ...cornersOf(count) }, { blocks: [1, 1], window }),
    };
  }

  async whole(source: Source) {
    const { lr, ref, originX, originY } = this.#node.inputs as Record<"lr" | "ref" | "originX" | "originY", Tensor>;
    const { blocks, window } = this.#node.attributes as FineAttributes;
    const [, C, H, W] = lr.shape as [number, number, number, number];
    const [h, w] = this.#patch;
    const [ky, kx] = [h - 2, w - 2];
    const total = blocks[0] * blocks[1];
    const origins = { x: await source.whole(originX), y: await source.whole(originY) };
    const index = new Int32Array(total * ky * kx);
    const score = new Float32Array(index.length);
    for (let first = 0; first < total; first += this.#count) {
      // The last part repeats its last block, so that one plan serves all.
      const part = Array.from({ length: this.#count }, (_, i) => Math.min(total - 1, first + i));
      const patches = new Float32Array(this.#count * C * h * w);
      const targets = part.map((block, i): Window => {
        const [top, left] = [Math.floor(block / blocks[1]) * ky - 1, (block % blocks[1]) * kx - 1];
        const data = patches.subarray(i * C * h * w, (i + 1) * C * h * w);
        return { rows: [top, top + h], columns: [left, left + w], data };
      });
      await fill(source, lr, targets, C);
      for (const target of targets) repeatEdge(target, [H, W], C);
      const windows = await searchWindows(source, ref, part, origins, window, 1);
      const found = await source.compute(this.#spec(this.#count), { lr: patches, ref: windows });
      for (const [i, block] of part.entries()) {
        for (let y = 0; y < ky; y++) {
          const from = (i * h + y + 1) * w + 1;
          const to = (block * ky + y) * kx;
          index.set((found.index as Int32Array).subarray(from, from + kx), to);
          score.set((found.score as Float32Array).subarray(from, from + kx), to);
        }
      }
    }
    return { index, score };
  }
}

type TransferInputs = Record<"feature" | "index" | "score" | "originX" | "originY", Tensor>;

/** Blocks along a side of a tile of what is extracted. */
const TILE_BLOCKS = 16;

/** Extraction: a map whose tiles are whole blocks. */
export class Transfer implements InParts {
  readonly tiling: Tiling;
  readonly #node: Node;
  readonly #count: number;

  constructor(node: Node, plans: Plans) {
    this.#node = node;
    const size = sizeOf(node.outputs.y as Tensor);
    const [height, width] = this.#block;
    this.tiling = { size, tile: [TILE_BLOCKS * height, TILE_BLOCKS * width] };
    const most = TILE_BLOCKS * TILE_BLOCKS;
    this.#count = plans.fitting("the extraction of a block", most, (count) => this.#spec(count));
    plans.expect(this.#spec(this.#count));
  }

  get #inputs(): TransferInputs {
    return this.#node.inputs as TransferInputs;
  }

  get #attributes() {
    return this.#node.attributes as FineAttributes & { readonly scale: number };
  }

  /** Rows and columns of a block of the output. */
  get #block(): Pair {
    const [height, width] = sizeOf(this.#node.outputs.y as Tensor);
    const { blocks } = this.#attributes;
    return [height / blocks[0], width / blocks[1]];
  }

  #spec(count: number): PlanSpec {
    const { window, scale } = this.#attributes;
    const [height, width] = this.#block;
    const block = [count, height / scale, width / scale];
    const { feature } = this.#inputs;
    return {
      key: `${this.#node.order} ${count}`,
      inputs: {
        feature: [count, feature.shape[1] as number, window[0] * scale, window[1] * scale],
        index: { shape: block, dtype: "i32" },
        score: block,
      },
      build: ({ feature: given, ...matches }: Tensors) => {
        const inputs = { feature: asStored(feature, given as Tensor), ...matches, ...cornersOf(count) };
        return recordLike(this.#node, () =>
          recordNode(this.#node.operation, inputs, { blocks: [1, 1], window, scale }),
        );
      },
    };
  }

  async tile(source: Source, rows: Range, columns: Range): Promise<Window> {
    const { feature, index, score, originX, originY } = this.#inputs;
    const { blocks, window, scale } = this.#attributes;
    const C = feature.shape[1] as number;
    const [height, width] = this.#block;
    const pixels = (height * width) / scale ** 2;
    const origins = { x: await source.whole(originX), y: await source.whole(originY) };
    const indices = (await source.whole(index)) as Int32Array;
    const scores = (await source.whole(score)) as Float32Array;
    const inTile: number[] = [];
    for (let y = rows[0] / height; y < rows[1] / height; y++)
      for (let x = columns[0] / width; x < columns[1] / width; x++) inTile.push(y * blocks[1] + x);
    const tile = { rows, columns, data: new Float32Array(C * (rows[1] - rows[0]) * (columns[1] - columns[0])) };
    for (let first = 0; first < inTile.length; first += this.#count) {
      const last = inTile.length - 1;
      const part = Array.from({ length: this.#count }, (_, i) => inTile[Math.min(last, first + i)] as number);
      const found = await source.compute(this.#spec(this.#count), {
        feature: await searchWindows(source, feature, part, origins, window, scale),
        index: blocksOf(indices, part, pixels),
        score: blocksOf(scores, part, pixels),
      });
      const length = C * height * width;
      for (const [i, block] of part.entries()) {
        const [top, left] = [Math.floor(block / blocks[1]) * height, (block % blocks[1]) * width];
        const data = (found.y as Float32Array).subarray(i * length, (i + 1) * length);
        copyWindow({ rows: [top, top + height], columns: [left, left + width], data }, tile, C);
      }
    }
    return tile;
  }
}

function blocksOf<T extends Float32Array | Int32Array>(values: T, part: readonly number[], length: number): T {
  const taken = new (values.constructor as new (length: number) => T)(part.length * length);
  for (const [i, block] of part.entries()) taken.set(values.subarray(block * length, (block + 1) * length), i * length);
  return taken;
}

/** The origins of windows that are images themselves. */
function cornersOf(count: number) {
  const zeros = (name: string) => constant(name, [count, 1], new Int32Array(count));
  return { originX: zeros("originX"), originY: zeros("originY") };
}

/** The blocks' search windows cut out of a map of `scale` pixels per pixel of Ref↓: [blocks, C, height, width]. */
async function searchWindows(
  source: Source,
  map: Tensor,
  part: readonly number[],
  origins: { readonly x: Data; readonly y: Data },
  window: Pair,
  scale: number,
): Promise<Float32Array> {
  const C = map.shape[1] as number;
  const size = sizeOf(map);
  const [height, width] = [window[0] * scale, window[1] * scale];
  const length = C * height * width;
  const data = new Float32Array(part.length * length);
  // A window whose origin is negative wraps around: it is filled once more, from the map's end.
  const places = (origin: number, along: number) => (origin < 0 ? [origin, origin + along] : [origin]);
  const targets = part.flatMap((block, i) =>
    places((origins.y[block] as number) * scale, size[0]).flatMap((top) =>
      places((origins.x[block] as number) * scale, size[1]).map(
        (left): Window => ({
          rows: [top, top + height],
          columns: [left, left + width],
          data: data.subarray(i * length, (i + 1) * length),
        }),
      ),
    ),
  );
  await fill(source, map, targets, C);
  return data;
}

/** Copies a map into all `targets`, taking each of its tiles once. */
async function fill(source: Source, map: Tensor, targets: readonly Window[], channels: number): Promise<void> {
  const tiling = source.tiling(map);
  const clip = ([start, end]: Range, size: number): Range => [Math.max(0, start), Math.min(size, end)];
  const needed = new Map<string, { rows: Range; columns: Range; targets: Window[] }>();
  for (const target of targets) {
    const rows = clip(target.rows, tiling.size[0]);
    const columns = clip(target.columns, tiling.size[1]);
    if (rows[0] >= rows[1] || columns[0] >= columns[1]) continue;
    for (const place of tilesIn(tiling, rows, columns)) {
      const key = `${place.rows} ${place.columns}`;
      const entry = needed.get(key) ?? { ...place, targets: [] };
      entry.targets.push(target);
      needed.set(key, entry);
    }
  }
  for (const { rows, columns, targets: its } of needed.values()) {
    const tile = await source.tile(map, rows, columns);
    for (const target of its) copyWindow(tile, target, channels);
  }
}

/** Repeats the border of a map of `size` in the rows and columns of a window that lie outside of it. */
function repeatEdge({ rows, columns, data }: Window, size: Pair, channels: number): void {
  const [height, width] = [rows[1] - rows[0], columns[1] - columns[0]];
  const inside = (i: number, [start]: Range, end: number) => Math.min(Math.max(i + start, 0), end - 1) - start;
  if (rows[0] >= 0 && rows[1] <= size[0] && columns[0] >= 0 && columns[1] <= size[1]) return;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = (c * height + inside(y, rows, size[0])) * width + inside(x, columns, size[1]);
        data[(c * height + y) * width + x] = data[from] as number;
      }
    }
  }
}
