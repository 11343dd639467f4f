/**
 * Convolution from tiles of the input with a halo, for GPUs: `shaders/conv2d_halo_tile.wgsl`. It computes convolutions with
 * stride 1 or 2 and up to 4 taps along either dimension, their input gradients with stride 1, and transposed convolutions as
 * MASA upsamples with (stride 2, 3×3), of images whose rows are whole vectors.
 */

import { elements, flatGrid, type Operand, type Recorder } from "../kernel.js";
import { type Algorithm, channelsOf, isDoubling, type Phase, type Problem, productsOf, type Side } from "./problem.js";

type Sides = [number, number, number, number];

/** Vectors of four output channels of a thread. */
type Quads = 1 | 2;

/** Pixels that a thread computes, neighbours in a row. */
const RUN = 8;
const MOST_TAPS = 4;
/** Workgroup memory that every device has. */
const WORKGROUP_BYTES = 16384;
const MOST_THREADS = 256;
/** Input channels of a slice: more save nothing but barriers. */
const MOST_DEPTH = 8;
/** Products that are summed in one go, at least: long sums lose digits. */
const LEAST_TOGETHER = 64;
/** Workgroups below which a large GPU is not busy, so that smaller ones are better. */
const FEW_WORKGROUPS = 64;

/** 8 pixels × 8 channels of a thread have the fewest loads; 8 × 4 need half the registers and make twice the threads. */
export const haloTile8x8 = algorithm(2);
export const haloTile8x4 = algorithm(1);

function algorithm(quads: Quads): Algorithm<Problem> {
  return {
    id: `halo-tile/${RUN}x${4 * quads}`,
    valid: (_, problem) => suits(problem, quads) && passesOf(problem).every((pass) => tileOf(problem, pass, quads)),
    record: (recorder, problem) => record(recorder, problem, quads),
  };
}

/** The variants, the default first. */
export function haloTiles(problem: Problem): readonly Algorithm<Problem>[] {
  const [pass] = passesOf(problem);
  const tile = pass && suits(problem, 2) && tileOf(problem, pass, 2);
  const few = tile && elements(tile.workgroups) < FEW_WORKGROUPS;
  return few ? [haloTile8x4, haloTile8x8] : [haloTile8x8, haloTile8x4];
}

/** Outputs that one dispatch computes: a phase, or a pair of phases whose columns alternate. */
interface Pass extends Phase {
  readonly doubled: boolean;
}

function passesOf(problem: Problem): readonly Pass[] {
  const { phases } = problem;
  if (!isDoubling(problem)) return phases.map((phase) => ({ ...phase, doubled: false }));
  // Even columns have one tap, odd ones that and another.
  return phases
    .filter(({ columns }) => columns.out === 1)
    .map(({ rows, columns }) => ({ rows, columns: { ...columns, tap: 1 }, doubled: true }));
}

function suits(problem: Problem, quads: Quads): boolean {
  const { sources, y } = problem;
  const O = y.shape[1] as number;
  const wholeVectors = [...sources, y].every(({ shape }) => (shape[3] as number) % 4 === 0);
  return (
    wholeVectors &&
    (quads === 1 || O > 4) &&
    passesOf(problem).every(
      ({ rows, columns, doubled }) =>
        [rows, columns].every(suitsSide) &&
        rows.inStep === columns.inStep &&
        (columns.outStep === 1 || (doubled && quads === 2)),
    )
  );
}

function suitsSide({ taps, tapStep, inStep }: Side): boolean {
  return taps >= 1 && taps <= MOST_TAPS && (tapStep === 1 || taps === 1) && inStep <= 2;
}

/** How a pass is cut into workgroups; undefined if a slice of one channel does not fit their memory. */
function tileOf({ sources, y }: Problem, { rows, columns, doubled }: Pass, quads: Quads) {
  const [N, O] = y.shape as Sides;
  const width = doubled ? 2 * O : O;
  const channels = Math.min(64, Math.max(4 * quads, 2 ** Math.ceil(Math.log2(width))));
  const lanes = channels / (4 * quads);
  // Narrow outputs leave threads for more pixels, up to what the memory holds.
  const runs = lanes === 1 ? 128 : lanes === 2 ? 64 : 32 * Math.min(1, MOST_THREADS / (32 * lanes));
  const shift = ((columns.first % 4) + 4) % 4;
  const [GH, GW] = [rows.count, Math.ceil(columns.count / RUN)];
  const vectors = (count: number) => (shift + (RUN * count - 1) * columns.inStep + columns.taps + 3) >> 2;
  const area = (across: number, down: number) => vectors(across) * ((down - 1) * rows.inStep + rows.taps);
  const bytes = (across: number, down: number) => 16 * area(across, down) + 4 * rows.taps * columns.taps * channels;
  const shapes = shapesOf(runs).filter(([across, down]) => bytes(across, down) <= WORKGROUP_BYTES);
  const computed = ([across, down]: readonly [number, number]) =>
    Math.ceil(GW / across) * Math.ceil(GH / down) * (runs + area(across, down) / 4);
  const [best] = shapes.sort((a, b) => computed(a) - computed(b));
  if (!best) return undefined;
  const [across, down] = best;
  const most = Math.min(...sources.map(({ shape }) => shape[1] as number), MOST_DEPTH);
  const fits = Math.min(most, Math.floor(WORKGROUP_BYTES / bytes(across, down)));
  // Whole slices, if there is a depth that makes them.
  const even = (depth: number) => sources.every(({ shape }) => (shape[1] as number) % depth === 0);
  const depth = Array.from({ length: fits }, (_, i) => fits - i).find((d) => even(d) && 2 * d >= fits) ?? fits;
  const blocks = Math.ceil(width / channels);
  const workgroups: [number, number, number] = [Math.ceil(GW / across), Math.ceil(GH / down), N * blocks];
  return { channels, depth, across, down, shift, blocks, workgroups };
}

/** Tiles of so many runs of pixels: wide, square, and one that divides widths that are multiples of 40. */
function shapesOf(runs: number): [number, number][] {
  return [
    [4, runs / 4],
    [2, runs / 2],
    [8, runs / 8],
    [5, Math.floor(runs / 5)],
  ];
}

function record(recorder: Recorder, problem: Problem, quads: Quads): void {
  const { sources, bias, residual, y, slope } = problem;
  const [x, concat] = sources as [Operand, Operand?];
  const [, C, H, W] = x.shape as Sides;
  const [, O, P, Q] = y.shape as Sides;
  for (const pass of passesOf(problem)) {
    const { rows, columns, doubled } = pass;
    const tile = tileOf(problem, pass, quads);
    if (!tile) throw new Error("the slice of a halo tile exceeds workgroup memory");
    const { channels, depth, across, down, shift, blocks, workgroups } = tile;
    const packed = pack(recorder, problem, pass, tile);
    recorder.dispatch({
      shader: "conv2d_halo_tile",
      constants: {
        ...{ KH: rows.taps, KW: columns.taps, STRIDE: columns.inStep, SHIFT: shift },
        ...{ COLUMNS: across, ROWS: down, CHANNELS: channels, QUADS: quads },
        ...{ DEPTH: depth, CONCAT: concat !== undefined, DOUBLED: doubled },
        TOGETHER: Math.ceil(LEAST_TOGETHER / (depth * rows.taps * columns.taps)),
      },
      params: {
        ...{ GH: rows.count, GW: columns.count, C, C2: channelsOf(sources) - C, H, W },
        ...{ in_row: rows.first, in_column: columns.first - shift, blocks, O, P, Q },
        ...{ out_step: rows.outStep, out_row: rows.out, slope },
        ...{ has_bias: Number(bias !== undefined), has_residual: Number(residual !== undefined) },
      },
      bindings: { x, concat: concat ?? x, packed, bias: bias ?? packed, residual: residual ?? x, y },
      workgroups,
      flops: (2 * productsOf(problem) * rows.taps * (doubled ? 3 : columns.taps)) / tapsOf(problem),
    });
  }
}

/** Taps of all passes together. */
function tapsOf(problem: Problem): number {
  return passesOf(problem).reduce(
    (sum, { rows, columns, doubled }) => sum + rows.taps * (doubled ? 3 : columns.taps),
    0,
  );
}

function pack(
  recorder: Recorder,
  { weight, strides, sources, y }: Problem,
  { rows, columns, doubled }: Pass,
  { channels, depth, blocks }: { readonly channels: number; readonly depth: number; readonly blocks: number },
): Operand {
  const KW = weight.shape[3] as number;
  const lengths = sources.map(({ shape }) => depth * Math.ceil((shape[1] as number) / depth));
  const all = lengths.reduce((sum, length) => sum + length, 0);
  const packed = recorder.scratch(`weights of rows ${rows.out}`, [blocks, all, rows.taps, columns.taps, channels]);
  recorder.dispatch({
    shader: "conv2d_pack",
    constants: { LANES: channels, DOUBLED: doubled },
    params: {
      ...{ count: elements(packed.shape), C: channelsOf(sources), split: sources[0]?.shape[1] as number },
      ...{ padded: lengths[0] as number, all, O: y.shape[1] as number, KH: rows.taps, KW: columns.taps },
      ...{ ...strides, start: strides.start + rows.tap * KW + columns.tap },
      ...{ i_stride: rows.tapStride * KW, j_stride: columns.tapStride },
    },
    bindings: { weight, packed },
    workgroups: flatGrid(elements(packed.shape)),
  });
  return packed;
}
