/**
 * The weight gradient of convolution by split-K: slabs of lines (n, p) of dy are summed in parallel, then these partial sums
 * are added in order. The order of all additions depends on shapes and algorithm alone, so a rerun gives the same bits.
 */

import { elements, flatGrid, type Operand, type Recorder } from "../kernel.js";
import { sumColumns } from "../shared/rows.js";
import { type Algorithm, sourcesOf, type WeightGradient } from "./problem.js";

type Sides = [number, number, number, number];

/** Most bytes of all partial sums together. */
const SLAB_BYTES = 16 << 20;

export const direct: Algorithm<WeightGradient> = {
  id: "direct",
  valid: () => true,
  record: (recorder, gradient) => splitK(recorder, gradient, 64, sumDirectly),
};

/** For GPUs, if rows are whole vectors. */
export const haloTile: Algorithm<WeightGradient> = {
  id: "halo-tile",
  valid: (_, gradient) => haloTileOf(gradient) !== undefined,
  record: sumHaloTiles,
};

/** For GPUs. */
export const implicitGemm: Algorithm<WeightGradient> = {
  id: "implicit-gemm",
  valid: () => true,
  record(recorder, gradient) {
    const [O, C, KH, KW] = gradient.dweight.shape as Sides;
    splitK(recorder, gradient, Math.ceil(512 / tilesOf(O, C * KH * KW)), sumTiles);
  },
};

/** For CPU adapters. */
export const subgroup: Algorithm<WeightGradient> = {
  id: "subgroup",
  valid: ({ subgroupMinSize }) => subgroupMinSize >= 8,
  record(recorder, gradient) {
    const [O, C, KH] = gradient.dweight.shape as Sides;
    splitK(recorder, gradient, Math.ceil(32 / (Math.ceil(O / 16) * Math.ceil(C / 16) * KH)), sumBySubgroup);
  },
};

/** Multiply-adds of the direct sums. */
export function productsOf({ dy, dweight }: WeightGradient): number {
  const [, C, KH, KW] = dweight.shape as Sides;
  return elements(dy.shape) * C * KH * KW;
}

/** Writes `slabs` partial sums, each over `depth` lines of dy. */
type PartialSums = (
  recorder: Recorder,
  gradient: WeightGradient,
  partial: Operand,
  depth: number,
  slabs: number,
) => void;

/** About `wanted` partial sums, and their sum. */
function splitK(recorder: Recorder, gradient: WeightGradient, wanted: number, sum: PartialSums): void {
  const { dy, dweight } = gradient;
  const lines = (dy.shape[0] as number) * (dy.shape[2] as number);
  const most = Math.max(1, Math.min(wanted, Math.floor(SLAB_BYTES / (4 * elements(dweight.shape)))));
  const depth = Math.ceil(lines / most);
  const slabs = Math.ceil(lines / depth);
  const partial = slabs === 1 ? dweight : recorder.scratch("slabs", [slabs, ...dweight.shape]);
  sum(recorder, gradient, partial, depth, slabs);
  if (slabs > 1) sumColumns(recorder, partial, dweight, [1, slabs, elements(dweight.shape)]);
}

const sumDirectly: PartialSums = (recorder, gradient, partial, rows, slabs) => {
  const { x, concat, dy, dweight, window } = gradient;
  const [N, split, H, W] = x.shape as Sides;
  const [O, C, KH, KW] = dweight.shape as Sides;
  const [, , P, Q] = dy.shape as Sides;
  const count = slabs * elements(dweight.shape);
  recorder.dispatch({
    shader: "conv2d_weight_gradient",
    params: { count, N, C, split, H, W, O, P, Q, KH, KW, ...window, rows },
    bindings: { x, concat: concat ?? x, dy, partial },
    workgroups: flatGrid(count),
    flops: 2 * N * P * Q * elements(dweight.shape),
  });
};

/** Elements of a tile of `conv2d_weight_gradient_implicit_gemm.wgsl`, and the output channels that it can have. */
const TILE = 64 * 64;
const TILE_OUTPUTS = [16, 32, 64];

function tileOutputs(O: number): number {
  return TILE_OUTPUTS.find((count) => count >= O) ?? 64;
}

/** Tiles of a gradient of `weights` elements for each of O output channels. */
function tilesOf(O: number, weights: number): number {
  const outputs = tileOutputs(O);
  return Math.ceil(O / outputs) * Math.ceil(weights / (TILE / outputs));
}

const sumTiles: PartialSums = (recorder, gradient, partial, depth, slabs) => {
  for (const { C, O, KH, KW, ...source } of perSource(gradient, partial, depth)) {
    recorder.dispatch({
      shader: "conv2d_weight_gradient_implicit_gemm",
      constants: { OUTPUTS: tileOutputs(O) },
      ...source,
      workgroups: [tilesOf(O, C * KH * KW), 1, slabs],
    });
  }
};

/** Most threads and bytes of a workgroup that every device allows, and workgroups that keep a large GPU busy. */
const MOST_THREADS = 256;
const WORKGROUP_BYTES = 16384;
const WORKGROUPS = 128;

/** How `conv2d_weight_gradient_halo_tile.wgsl` is cut into workgroups and tiles; undefined if it does not suit. */
function haloTileOf({ x, concat, dy, dweight, window }: WeightGradient) {
  const [O, , KH, KW] = dweight.shape as Sides;
  const { stride, padding, dilation } = window;
  const images = [...sourcesOf(x, concat), dy];
  if (images.some(({ shape }) => (shape[3] as number) % 4 !== 0)) return undefined;
  if (Math.max(KH, KW) > 4 || stride > 2 || dilation > 1) return undefined;
  const QUADS = O <= 4 ? 1 : 2;
  const blocks = Math.ceil(O / 64);
  const LANES = Math.ceil(O / (4 * QUADS * blocks));
  const C = Math.max(...sourcesOf(x, concat).map(({ shape }) => shape[1] as number));
  const CHANNELS = Math.ceil(C / Math.ceil(C / 32));
  const SHIFT = (4 - (padding % 4)) % 4;
  const [, , P, Q] = dy.shape as Sides;
  const most = Math.min(Math.floor(MOST_THREADS / (LANES * CHANNELS)), P);
  const tiles = Array.from({ length: most }, (_, i) => i + 1).flatMap((ROWS) =>
    [8, 16, 32].map((COLUMNS) => {
      const threads = LANES * CHANNELS * ROWS;
      const inputs = CHANNELS * ((ROWS - 1) * stride + KH) * ((SHIFT + (COLUMNS - 1) * stride + KW + 3) >> 2);
      const gradients = 4 * QUADS * LANES * ROWS * (COLUMNS / 4 + 1);
      const loads = Math.ceil(inputs / threads) + Math.ceil(gradients / threads);
      // Instructions of a GPU for a tile, by what Mesa's compiler for AMD makes of it, for all threads of its subgroups of 64.
      const instructions = 64 * Math.ceil(threads / 64) * (4.3 * QUADS * KH * KW * COLUMNS + 25 * loads + 35);
      const cost = Math.ceil(P / ROWS) * Math.ceil(Q / COLUMNS) * instructions;
      return { ROWS, COLUMNS, cost, bytes: 16 * (inputs + gradients) };
    }),
  );
  const [best] = tiles.filter(({ bytes }) => bytes <= WORKGROUP_BYTES).sort((a, b) => a.cost - b.cost);
  if (!best) return undefined;
  const { ROWS, COLUMNS } = best;
  return { blocks, constants: { KH, KW, STRIDE: stride, SHIFT, QUADS, LANES, CHANNELS, ROWS, COLUMNS } };
}

function sumHaloTiles(recorder: Recorder, gradient: WeightGradient): void {
  const tile = haloTileOf(gradient);
  if (!tile) throw new Error("the weight gradient has no halo tile");
  const { x: input, concat, dy, dweight, window } = gradient;
  const { blocks, constants } = tile;
  const { ROWS, CHANNELS, SHIFT } = constants;
  const [O, channels, KH, KW] = dweight.shape as Sides;
  const [N, , P, Q] = dy.shape as Sides;
  const heights = Math.ceil(P / ROWS);
  const most = Math.floor(SLAB_BYTES / (4 * elements(dweight.shape) * ROWS));
  const wanted = Math.ceil(WORKGROUPS / (blocks * Math.ceil(channels / CHANNELS)));
  const depth = Math.ceil((N * heights) / Math.max(1, Math.min(wanted, most)));
  const groups = Math.ceil((N * heights) / depth);
  const slabs = groups * ROWS;
  const partial = slabs === 1 ? dweight : recorder.scratch("slabs", [slabs, ...dweight.shape]);
  let channel = 0;
  for (const x of sourcesOf(input, concat)) {
    const [, C, H, W] = x.shape as Sides;
    recorder.dispatch({
      shader: "conv2d_weight_gradient_halo_tile",
      constants,
      params: {
        ...{ heights, count: N * heights, depth, C, H, W, channels, channel, O, P, Q, blocks, slabs },
        ...{ in_row: -window.padding, in_column: -window.padding - SHIFT },
      },
      bindings: { x, dy, partial },
      workgroups: [blocks * Math.ceil(C / CHANNELS), groups, 1],
      flops: 2 * N * P * Q * O * C * KH * KW,
    });
    channel += C;
  }
  if (slabs > 1) sumColumns(recorder, partial, dweight, [1, slabs, elements(dweight.shape)]);
}

const sumBySubgroup: PartialSums = (recorder, gradient, partial, depth, slabs) => {
  const { stride, dilation } = gradient.window;
  for (const { C, O, KH, KW, ...source } of perSource(gradient, partial, depth)) {
    const rowOfThree = KW % 3 === 0 && stride === 1 && dilation === 1;
    const [TAPS, CHANNELS] = rowOfThree ? [3, 2] : [1, 4];
    recorder.dispatch({
      shader: "conv2d_weight_gradient_subgroup",
      constants: { TAPS, CHANNELS },
      ...source,
      workgroups: [Math.ceil(C / (8 * CHANNELS)) * Math.ceil(O / 16), (KH * KW) / TAPS, slabs],
    });
  }
};

/** What the dispatch for each input has, whatever the algorithm, and the sides of its weights. */
function perSource({ x: input, concat, dy, dweight, window }: WeightGradient, partial: Operand, depth: number) {
  const [O, channels, KH, KW] = dweight.shape as Sides;
  const [N, , P, Q] = dy.shape as Sides;
  return sourcesOf(input, concat).map((x) => {
    const [, C, H, W] = x.shape as Sides;
    const channel = x === input ? 0 : (input.shape[1] as number);
    return {
      ...{ C, O, KH, KW },
      params: { lines: N * P, depth, C, H, W, channels, channel, O, P, Q, KH, KW, ...window },
      bindings: { x, dy, partial },
      flops: 2 * N * P * Q * O * C * KH * KW,
    };
  });
}
