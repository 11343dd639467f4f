/** The convolutions of convolution_gather.ts on GPUs: `shaders/conv2d_tiles.wgsl`. */

import { elements, flatGrid, type Operand, type Recorder } from "../kernel.js";
import { fold, type Gather, type PartialSum, type Phase, partialSums, phaseParams } from "./gather.js";

type Sides = [number, number, number, number];

/** Output channels that lie side by side in the packed weights. */
const GROUP = 16;
/** Pixels × output channels of a workgroup; each of its threads makes 8 × 8. */
const TILES = {
  "tiles 64×64": { pixels: 64, channels: 64 },
  "tiles 256×64": { pixels: 256, channels: 64 },
  "tiles 128×32": { pixels: 128, channels: 32 },
  "tiles 256×16": { pixels: 256, channels: 16 },
} as const;
export type Tiles = keyof typeof TILES;
/** Products that are added up in one go: slices are summed one after the other, and long sums lose digits. */
const CHUNK = 1024;

/** The tiles that suit so many output channels, the default first: what a tile has beyond them is computed for nothing. */
export function tilesFor(O: number): readonly [Tiles, ...Tiles[]] {
  if (O <= 16) return ["tiles 256×16"];
  return O <= 32 ? ["tiles 128×32"] : ["tiles 64×64", "tiles 256×64"];
}

/** One dispatch or more for each phase and input; all but the first go on from the sums so far. */
export function gatherTiles(recorder: Recorder, task: Gather, tiles: Tiles): void {
  for (const phase of task.phases) {
    const packed = pack(recorder, task, phase);
    const sources = task.sources.flatMap((x) => chunks(x, phase));
    let channel = 0;
    const parts = partialSums(recorder, task, sources.length);
    for (const [i, source] of sources.entries()) {
      sum(recorder, parts[i] as PartialSum, phase, tiles, { ...source, packed, channel });
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

function pack(recorder: Recorder, { weight, strides, sources, y }: Gather, { rows, columns }: Phase): Operand {
  const KW = weight.shape[3] as number;
  const O = y.shape[1] as number;
  const C = sources.reduce((sum, { shape }) => sum + (shape[1] as number), 0);
  const [taps_h, taps_w] = [Math.max(1, rows.taps), Math.max(1, columns.taps)];
  const packed = recorder.scratch(`weights of phase ${rows.out} ${columns.out}`, [
    ...[Math.ceil(O / GROUP), C],
    ...[taps_h * taps_w, GROUP],
  ]);
  recorder.dispatch({
    shader: "conv2d_pack",
    params: {
      ...{ count: elements(packed.shape), O, C, KH: taps_h, KW: taps_w },
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

function sum(recorder: Recorder, task: PartialSum, phase: Phase, tiles: Tiles, source: Sum): void {
  const { x, first, taken, packed, channel } = source;
  const { bias, residual, y, slope, adds } = task;
  const { rows, columns } = phase;
  const [N, C, H, W] = x.shape as Sides;
  const O = y.shape[1] as number;
  const pixels = N * rows.count * columns.count;
  const tile = TILES[tiles];
  recorder.dispatch({
    shader: "conv2d_tiles",
    constants: { PIXELS: `${tile.pixels}u`, CHANNELS: `${tile.channels}u` },
    params: {
      ...phaseParams(task, phase),
      ...{ pixels, C, H, W, channels: packed.shape[1] as number, channel, first, taken },
      ...{ in_row: rows.first, in_column: columns.first, adds: Number(adds), slope },
    },
    bindings: { x, packed, bias: bias ?? packed, residual: residual ?? x, y },
    workgroups: [...fold(Math.ceil(pixels / tile.pixels)), Math.ceil(O / tile.channels)],
    flops: 2 * pixels * O * taken * rows.taps * columns.taps,
  });
}
