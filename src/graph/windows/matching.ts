/**
 * Operations that look at more than a window: matching, which searches all of the reference, and extraction, which reads it at
 * any place. Each is computed in parts that its kernel knows already. The coarse match keeps the best of every band of the
 * reference. The fine match and the extraction take their search windows out of the tiles and treat each block as an image.
 */
import type { Data } from "../plan/plan.js";
import { constant, recordNode } from "../trace/graph.js";
import type { Node, Tensor } from "../trace/tensor.js";
import { sizeOf } from "./rules.js";
import type { Range } from "./stages.js";
import { copyWindow, type Tiling, tilesIn, type Window } from "./tiles.js";

/** What the parts of an operation are computed with. */
export interface Source {
  /** All values of a tensor that is small, or of which all is needed. */
  whole(tensor: Tensor): Promise<Data>;
  /** The tiling of a map, and one of its tiles. */
  tiling(tensor: Tensor): Tiling;
  tile(tensor: Tensor, rows: Range, columns: Range): Promise<Window>;
  /** A window of a map; it may reach beyond it, and holds zeros there. */
  window(tensor: Tensor, rows: Range, columns: Range): Promise<Window>;
  /** Runs a plan for `inputs`, made once for each `key`. */
  compute(key: string, inputs: Arrays, build: (tensors: Tensors) => Tensors): Promise<Readonly<Record<string, Data>>>;
  /** The largest of the sizes, `most` halved again and again, for which a plan fits into memory. */
  fitting(most: number, inputs: (size: number) => Arrays, build: (tensors: Tensors) => Tensors): number;
}

/** Inputs of a plan by name; without data where only the shapes count. */
export type Arrays = Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Data }>>;
type Tensors = Readonly<Record<string, Tensor>>;
type Pair = readonly [number, number];

interface MatchAttributes {
  readonly blocks: Pair;
  readonly window: Pair;
}

const EMPTY = { f32: new Float32Array(0), i32: new Int32Array(0) };

/** Coarse match: index and score of each block, the best of all bands of the reference. */
export async function coarseMatchInBands(node: Node, source: Source): Promise<Record<string, Data>> {
  const { lr, ref } = node.inputs as { lr: Tensor; ref: Tensor };
  const { blocks, dilations } = node.attributes as { blocks: Pair; dilations: readonly number[] };
  const [, C, H, W] = lr.shape as [number, number, number, number];
  const [Hr, Wr] = sizeOf(ref);
  const [py, px] = blocks;
  const ky = H / py;
  const halo = Math.max(...dilations);
  const build = (rows: Range, count: number) => (tensors: Tensors) =>
    recordNode(node.operation, tensors, { blocks: [count, px], dilations, rows });
  const shapes = (lrBlocks: number, refRows: number): Arrays => ({
    lr: { shape: [1, C, Math.min(H, (lrBlocks + 2) * ky), W], data: EMPTY.f32 },
    ref: { shape: [1, C, Math.min(Hr, refRows + 2 * halo), Wr], data: EMPTY.f32 },
  });
  const lrBlocks = source.fitting(py, (size) => shapes(size, 1), build([0, 1], 1));
  const refRows = source.fitting(Hr, (size) => shapes(lrBlocks, size), build([0, 1], Math.min(py, lrBlocks + 2)));
  const index = new Int32Array(py * px);
  const score = new Float32Array(py * px).fill(Number.NEGATIVE_INFINITY);
  for (let block = 0; block < py; block += lrBlocks) {
    const last = Math.min(py, block + lrBlocks);
    const band: Range = [Math.max(0, block - 1), Math.min(py, last + 1)];
    const queries = await source.window(lr, [band[0] * ky, band[1] * ky], [0, W]);
    for (let row = 0; row < Hr; row += refRows) {
      const rows: Range = [row, Math.min(Hr, row + refRows)];
      const around: Range = [Math.max(0, rows[0] - halo), Math.min(Hr, rows[1] + halo)];
      const candidates = await source.window(ref, around, [0, Wr]);
      const within: Range = [rows[0] - around[0], rows[1] - around[0]];
      const found = await source.compute(
        `${node.order} ${within} ${around[1] - around[0]} ${band[1] - band[0]}`,
        {
          lr: { shape: [1, C, (band[1] - band[0]) * ky, W], data: queries.data },
          ref: { shape: [1, C, around[1] - around[0], Wr], data: candidates.data },
        },
        build(within, band[1] - band[0]),
      );
      for (let i = (block - band[0]) * px; i < (last - band[0]) * px; i++) {
        const to = band[0] * px + i;
        // Bands ascend, so of equal scores the lowest position stays.
        if ((found.score as Data)[i]! <= (score[to] as number)) continue;
        score[to] = (found.score as Data)[i] as number;
        index[to] = ((found.index as Data)[i] as number) + around[0] * Wr;
      }
    }
  }
  return { index, score };
}

/** Fine match: index and score of each pixel of each block, some blocks at a time. */
export async function fineMatchInParts(node: Node, source: Source): Promise<Record<string, Data>> {
  const { lr, ref, originX, originY } = node.inputs as Record<"lr" | "ref" | "originX" | "originY", Tensor>;
  const { blocks, window } = node.attributes as MatchAttributes;
  const [, C, H, W] = lr.shape as [number, number, number, number];
  const [py, px] = blocks;
  const [ky, kx] = [H / py, W / px];
  const [h, w] = [ky + 2, kx + 2];
  const origins = { x: await source.whole(originX), y: await source.whole(originY) };
  const shapes = (count: number): Arrays => ({
    lr: { shape: [count, C, h, w], data: EMPTY.f32 },
    ref: { shape: [count, C, ...window], data: EMPTY.f32 },
  });
  const build = (count: number) => (tensors: Tensors) =>
    recordNode(node.operation, { ...tensors, ...cornersOf(count) }, { blocks: [1, 1], window });
  const count = source.fitting(py * px, shapes, (tensors) => build((tensors.lr as Tensor).shape[0] as number)(tensors));
  const index = new Int32Array(py * px * ky * kx);
  const score = new Float32Array(index.length);
  for (let first = 0; first < py * px; first += count) {
    // The last part repeats its last block, so that one plan serves all.
    const part = Array.from({ length: count }, (_, i) => Math.min(py * px - 1, first + i));
    const patches = new Float32Array(count * C * h * w);
    const targets = part.map((block, i): Window => {
      const [top, left] = [Math.floor(block / px) * ky, (block % px) * kx];
      return {
        rows: [top - 1, top + ky + 1],
        columns: [left - 1, left + kx + 1],
        data: patches.subarray(i * C * h * w, (i + 1) * C * h * w),
      };
    });
    await fill(source, lr, targets, C);
    for (const target of targets) repeatEdge(target, [H, W], C);
    const windows = await searchWindows(source, ref, part, origins, window, 1);
    const found = await source.compute(
      `${node.order} ${count}`,
      { lr: { shape: [count, C, h, w], data: patches }, ref: { shape: [count, C, ...window], data: windows } },
      build(count),
    );
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

/** Blocks along a side of a tile of what is extracted. */
const TILE_BLOCKS = 16;

/** Extraction: its output is a map whose tiles are whole blocks. */
export function transferTiling(node: Node): Tiling {
  const { scale, blocks } = node.attributes as MatchAttributes & { scale: number };
  const size = sizeOf(node.outputs.y as Tensor);
  const block = [size[0] / blocks[0] / scale, size[1] / blocks[1] / scale] as const;
  return { size, tile: [TILE_BLOCKS * block[0] * scale, TILE_BLOCKS * block[1] * scale] };
}

export async function transferTile(node: Node, source: Source, rows: Range, columns: Range): Promise<Window> {
  const { feature, index, score, originX, originY } = node.inputs as Record<
    "feature" | "index" | "score" | "originX" | "originY",
    Tensor
  >;
  const { blocks, window, scale } = node.attributes as MatchAttributes & { scale: number };
  const C = feature.shape[1] as number;
  const size = sizeOf(node.outputs.y as Tensor);
  const [height, width] = [size[0] / blocks[0], size[1] / blocks[1]];
  const [ky, kx] = [height / scale, width / scale];
  const origins = { x: await source.whole(originX), y: await source.whole(originY) };
  const matches = {
    index: (await source.whole(index)) as Int32Array,
    score: (await source.whole(score)) as Float32Array,
  };
  const large = [window[0] * scale, window[1] * scale] as const;
  const shapes = (count: number): Arrays => ({
    feature: { shape: [count, C, ...large], data: EMPTY.f32 },
    index: { shape: [count, ky, kx], data: EMPTY.i32 },
    score: { shape: [count, ky, kx], data: EMPTY.f32 },
  });
  const build = (tensors: Tensors) => {
    const count = (tensors.feature as Tensor).shape[0] as number;
    return recordNode(node.operation, { ...tensors, ...cornersOf(count) }, { blocks: [1, 1], window, scale });
  };
  const count = source.fitting(TILE_BLOCKS * TILE_BLOCKS, shapes, build);
  const inTile: number[] = [];
  for (let y = rows[0] / height; y < rows[1] / height; y++)
    for (let x = columns[0] / width; x < columns[1] / width; x++) inTile.push(y * blocks[1] + x);
  const tile = { rows, columns, data: new Float32Array(C * (rows[1] - rows[0]) * (columns[1] - columns[0])) };
  for (let first = 0; first < inTile.length; first += count) {
    const part = Array.from({ length: count }, (_, i) => inTile[Math.min(inTile.length - 1, first + i)] as number);
    const features = await searchWindows(source, feature, part, origins, window, scale);
    const found = await source.compute(
      `${node.order} ${count}`,
      {
        feature: { shape: [count, C, ...large], data: features },
        index: { shape: [count, ky, kx], data: blocksOf(matches.index, part, ky * kx) },
        score: { shape: [count, ky, kx], data: blocksOf(matches.score, part, ky * kx) },
      },
      build,
    );
    const length = C * height * width;
    for (const [i, block] of part.entries()) {
      const [top, left] = [Math.floor(block / blocks[1]) * height, (block % blocks[1]) * width];
      const data = (found.y as Float32Array).subarray(i * length, (i + 1) * length);
      copyWindow({ rows: [top, top + height], columns: [left, left + width], data }, tile, C);
    }
  }
  return tile;
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
