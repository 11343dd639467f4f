/**
 * 3 × 3 convolutions with stride 1 and their weight gradients by Winograd's F(4×4, 3×3): a quarter of the products, as
 * matrix products between transformed tiles of 4 × 4 outputs. shaders/winograd_input.wgsl has the formulas and the accuracy.
 *
 *   forward          y = output(u(weight) · v(x))
 *   weight gradient  dweight = weight_gradient(v'(dy) · v(x)ᵀ), the adjoint of the first in the weight
 *
 * Transformed weights are rounded by the same amount in all tiles, so errors do not average out in the sum of y over an
 * image. The golden cases allow this in the forward pass. In an input gradient such sums reach the weights of earlier layers,
 * and one golden case fails, so it is not offered there. The weight gradient transforms no weights.
 */

import { elements, FLAT_WORKGROUP, flatGrid, type Operand, type Recorder } from "../kernel.js";
import { product } from "../shared/product.js";
import { type Algorithm, channelsOf, type Problem, sourcesOf, type WeightGradient, type Window } from "./problem.js";

type Sides = [number, number, number, number];

const POINTS = 36;
const AS_STORED = { transposeA: false, transposeB: false };
/** Most bytes of the transformed tiles of one tensor that exist at once. */
const SCRATCH_BYTES = 16 << 20;
/** Tiles of a slab: as many as a workgroup of the matrix product has columns, so that it reads contiguous memory. */
const SLAB = 64;
/** The same for the weight gradient, where each slab is one split-K partial sum: long sums lose digits. */
const SUM_SLAB = 256;

export const winograd: Algorithm<Problem> = {
  id: "winograd/4x4",
  valid: (_, { direction, weight, window }) => direction === "forward" && suits(weight, window),
  record: convolution,
};

export const winogradWeightGradient: Algorithm<WeightGradient> = {
  id: "winograd/4x4",
  valid: (_, { dweight, window }) => suits(dweight, window),
  record: weightGradient,
};

/** Whether the transforms are made for this kernel and window. */
function suits(weight: Operand, { stride, dilation }: Window): boolean {
  return weight.shape[2] === 3 && weight.shape[3] === 3 && stride === 1 && dilation === 1;
}

function convolution(recorder: Recorder, problem: Problem): void {
  const { sources, weight, bias, residual, y, window, slope } = problem;
  const [O, C] = weight.shape as Sides;
  const u = weights(recorder, weight);
  const { TH, TW, P, Q, count } = tilesOf(y);
  for (const { first, tiles } of chunks(count, Math.max(O, C))) {
    const part = { first, tiles, ...slabsOf(tiles, SLAB), TH, TW };
    const { slabs, size } = part;
    const v = input(recorder, sources, part, window.padding, "channels");
    const m = recorder.scratch(`products of tiles from ${first}`, [POINTS * slabs, O, size]);
    product(recorder, { a: u, b: v }, { y: m }, AS_STORED, directFlops(weight, y, tiles / count));
    recorder.dispatch({
      shader: "winograd_output",
      params: {
        ...{ ...part, O, P, Q, reach: reachOf(recorder), slope },
        has_bias: Number(bias !== undefined),
        has_residual: Number(residual !== undefined),
      },
      bindings: { m, bias: bias ?? m, residual: residual ?? m, y },
      workgroups: tileGrid(recorder, tiles, O),
    });
  }
}

function weightGradient(recorder: Recorder, gradient: WeightGradient): void {
  const { x, concat, dy, dweight, window } = gradient;
  const [O, C] = dweight.shape as Sides;
  const tiling = tilesOf(dy);
  const { P, Q } = tiling;
  for (const { first, tiles } of chunks(tiling.count, Math.max(O, C))) {
    const part = { first, tiles, ...slabsOf(tiles, SUM_SLAB), TH: tiling.TH, TW: tiling.TW };
    const { slabs, size } = part;
    const vx = input(recorder, sourcesOf(x, concat), part, window.padding, "tiles");
    const vy = recorder.scratch(`tiles of dy from ${first}`, [POINTS * slabs, O, size]);
    recorder.dispatch({
      shader: "winograd_output_gradient",
      params: { ...part, O, P, Q, reach: reachOf(recorder) },
      bindings: { dy, v: vy },
      workgroups: tileGrid(recorder, slabs * size, O),
    });
    const m = recorder.scratch(`products of tiles from ${first}`, [POINTS * slabs, O, C]);
    product(recorder, { a: vy, b: vx }, { y: m }, AS_STORED, directFlops(dweight, dy, tiles / tiling.count));
    recorder.dispatch({
      shader: "winograd_weight_gradient",
      params: { count: O * C, slabs, adds: Number(first > 0) },
      bindings: { m, dweight },
      workgroups: flatGrid(O * C),
    });
  }
}

/** The transformed weights [36, O, C]. */
function weights(recorder: Recorder, weight: Operand): Operand {
  const [O, C] = weight.shape as Sides;
  const u = recorder.scratch("transformed weights", [POINTS, O, C]);
  const bindings = { weight, u };
  recorder.dispatch({ shader: "winograd_weights", params: { count: O * C }, bindings, workgroups: flatGrid(O * C) });
  return u;
}

/** FLOP of the direct sums of a part of y. */
function directFlops(weight: Operand, y: Operand, part: number): number {
  return (2 * elements(weight.shape) * elements(y.shape) * part) / (weight.shape[0] as number);
}

/** Some of the tiles, TH × TW per image, in slabs of equal size. */
interface Part {
  readonly first: number;
  readonly tiles: number;
  readonly size: number;
  readonly slabs: number;
  readonly TH: number;
  readonly TW: number;
}

/** The transformed windows of some tiles: 36·slabs matrices, whose rows are channels or tiles. */
function input(
  recorder: Recorder,
  xs: readonly Operand[],
  part: Part,
  padding: number,
  rows: "channels" | "tiles",
): Operand {
  const { slabs, size } = part;
  const channels = channelsOf(xs);
  const sides = rows === "channels" ? [channels, size] : [size, channels];
  const v = recorder.scratch(`tiles of x from ${part.first}`, [POINTS * slabs, ...sides]);
  const steps = rows === "channels" ? { channel_step: size, tile_step: 1 } : { channel_step: 1, tile_step: channels };
  let channel = 0;
  for (const x of xs) {
    const [, C, H, W] = x.shape as Sides;
    recorder.dispatch({
      shader: "winograd_input",
      params: { ...part, C, H, W, channels, channel, ...steps, reach: reachOf(recorder), padding },
      bindings: { x, v },
      workgroups: tileGrid(recorder, slabs * size, C),
    });
    channel += C;
  }
  return v;
}

/** Channels per thread of the transforms: several on a CPU, where the divisions that locate a tile are expensive. */
function reachOf({ machine }: Recorder): number {
  return machine.software ? 16 : 1;
}

/** One thread per tile and `reachOf` channels. */
function tileGrid(recorder: Recorder, tiles: number, channels: number): [number, number, number] {
  return [Math.ceil(tiles / FLAT_WORKGROUP), Math.ceil(channels / reachOf(recorder)), 1];
}

/** The tiles of an output [N, O, P, Q]. */
export function tilesOf(y: Operand) {
  const [N, , P, Q] = y.shape as Sides;
  const [TH, TW] = [Math.ceil(P / 4), Math.ceil(Q / 4)];
  return { TH, TW, P, Q, count: N * TH * TW };
}

/** Equal slabs of at most `most` tiles, a multiple of 4 as `most` is: the matrix product loads vectors. */
function slabsOf(tiles: number, most: number): { slabs: number; size: number } {
  const slabs = Math.ceil(tiles / most);
  return { slabs, size: 4 * Math.ceil(tiles / slabs / 4) };
}

/** Equal parts of all tiles, small enough for the scratch tensors. */
function chunks(count: number, channels: number): { first: number; tiles: number }[] {
  const most = Math.max(1, Math.floor(SCRATCH_BYTES / (4 * POINTS * channels)));
  const parts = Math.ceil(count / most);
  const bound = (i: number) => Math.round((count * i) / parts);
  return Array.from({ length: parts }, (_, i) => ({ first: bound(i), tiles: bound(i + 1) - bound(i) }));
}
