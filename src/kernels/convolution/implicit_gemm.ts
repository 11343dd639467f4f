/** Implicit GEMM: workgroups share tiles of pixels and weights through their memory, `shaders/conv2d_implicit_gemm.wgsl`. */

import { elements, flatGrid, type Operand, type Recorder, rowOfGroups } from "../kernel.js";
import {
  type Algorithm,
  channelsOf,
  type PartialSum,
  type Phase,
  type Problem,
  partialSums,
  phaseParams,
} from "./problem.js";

type Sides = [number, number, number, number];

/** Output channels that lie side by side in the packed weights. */
const GROUP = 16;
/** Pixels × output channels of a workgroup; each of its threads makes 8 × 8. */
interface Tile {
  readonly pixels: number;
  readonly channels: number;
}
/** Most products of one sum: long sums lose digits, so longer ones are split over dispatches. */
const CHUNK = 1024;

/** Tiles, the default first. One suits as many output channels as it has: those beyond are computed in vain. */
export const implicitGemm: readonly Algorithm<Problem>[] = [
  tiled({ pixels: 64, channels: 64 }, (O) => O > 32),
  tiled({ pixels: 256, channels: 64 }, (O) => O > 32),
  tiled({ pixels: 128, channels: 32 }, (O) => O > 16 && O <= 32),
  tiled({ pixels: 256, channels: 16 }, (O) => O <= 16),
];

function tiled(tile: Tile, suits: (O: number) => boolean): Algorithm<Problem> {
  return {
    id: `implicit-gemm/${tile.pixels}x${tile.channels}`,
    valid: (_, { y }) => suits(y.shape[1] as number),
    record: (recorder, problem) => record(recorder, problem, tile),
  };
}

/** One dispatch or more for each phase and input; all but the first continue from the sums so far. */
function record(recorder: Recorder, task: Problem, tile: Tile): void {
  for (const phase of task.phases) {
    const packed = pack(recorder, task, phase);
    const sources = task.sources.flatMap((x) => chunks(x, phase));
    let channel = 0;
    const parts = partialSums(recorder, task, sources.length);
    for (const [i, source] of sources.entries()) {
      sum(recorder, parts[i] as PartialSum, phase, tile, { ...source, packed, channel });
      channel += source.taken;
    }
  }
}

/** Some channels of an input. */
interface Source {
  readonly x: Operand;
  readonly first: number;
  readonly taken: number;
}

function chunks(x: Operand, { rows, columns }: Phase): Source[] {
  const C = x.shape[1] as number;
  const products = C * Math.max(1, rows.taps * columns.taps);
  const count = Math.min(C, Math.ceil(products / CHUNK));
  const bound = (i: number) => Math.round((C * i) / count);
  return Array.from({ length: count }, (_, i) => ({ x, first: bound(i), taken: bound(i + 1) - bound(i) }));
}

function pack(recorder: Recorder, { weight, strides, sources, y }: Problem, { rows, columns }: Phase): Operand {
  const KW = weight.shape[3] as number;
  const O = y.shape[1] as number;
  const C = channelsOf(sources);
  const [taps_h, taps_w] = [Math.max(1, rows.taps), Math.max(1, columns.taps)];
  const packed = recorder.scratch(`weights of phase ${rows.out} ${columns.out}`, [
    ...[Math.ceil(O / GROUP), C],
    ...[taps_h * taps_w, GROUP],
  ]);
  recorder.dispatch({
    shader: "conv2d_pack",
    constants: { LANES: GROUP, DOUBLED: false },
    params: {
      ...{ count: elements(packed.shape), O, C, split: C, padded: C, all: C, KH: taps_h, KW: taps_w },
      ...{ ...strides, start: strides.start + rows.tap * KW + columns.tap },
      ...{ i_stride: rows.tapStride * KW, j_stride: columns.tapStride },
    },
    bindings: { weight, packed },
    workgroups: flatGrid(elements(packed.shape)),
  });
  return packed;
}

interface Sum extends Source {
  readonly packed: Operand;
  /** The packed weights' channel that meets the first one taken of x. */
  readonly channel: number;
}

function sum(recorder: Recorder, task: PartialSum, phase: Phase, tile: Tile, source: Sum): void {
  const { x, first, taken, packed, channel } = source;
  const { bias, residual, y, slope, adds } = task;
  const { rows, columns } = phase;
  const [N, C, H, W] = x.shape as Sides;
  const O = y.shape[1] as number;
  const pixels = N * rows.count * columns.count;
  const [across, down] = rowOfGroups(Math.ceil(pixels / tile.pixels));
  recorder.dispatch({
    shader: "conv2d_implicit_gemm",
    constants: { PIXELS: tile.pixels, CHANNELS: tile.channels },
    params: {
      ...phaseParams(task, phase),
      ...{ pixels, C, H, W, channels: packed.shape[1] as number, channel, first, taken },
      ...{ in_row: rows.first, in_column: columns.first, adds: Number(adds), slope },
    },
    bindings: { x, packed, bias: bias ?? packed, residual: residual ?? x, y },
    workgroups: [across, down, Math.ceil(O / tile.channels)],
    flops: 2 * pixels * O * taken * rows.taps * columns.taps,
  });
}
