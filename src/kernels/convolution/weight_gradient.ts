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
