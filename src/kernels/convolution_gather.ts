/**
 * The fast convolutions. A convolution and each phase of its adjoint have one form,
 *
 *   y[p·outStep + outRow] = Σᵢ w[i] · x[p·inStep + inRow + i·tapStep]       along either side,
 *
 * so one set of kernels computes them all. The adjoint with stride s writes s × s interleaved phases of its output:
 * u = p·s + phase meets only the taps with i·dilation ≡ phase + padding (mod s), and no zero is ever multiplied.
 */
import type { Convolution, Transposition, Window } from "./convolution.js";
import { elements, flatGrid, type Machine, type Operand, type Recorder } from "./kernel.js";

/**
 * strips: a thread computes a row of so many pixels from registers and subgroup broadcasts; for adapters that compute on
 * the CPU. tiles: a workgroup shares so many pixels × output channels through its memory; for GPUs.
 */
const STRIPS = { "strips 8": { PIXELS: 8 } } as const;
const TILES = { "tiles 64×64": {} } as const;

export type GatherVariant = keyof typeof STRIPS | keyof typeof TILES;

/** The variants that a machine can run, the default first. */
export function gatherVariants({ software, subgroupMinSize }: Machine): [GatherVariant, ...GatherVariant[]] {
  const strips = Object.keys(STRIPS) as GatherVariant[];
  const tiles = Object.keys(TILES) as [GatherVariant];
  if (subgroupMinSize < 8) return tiles;
  return (software ? [...strips, ...tiles] : [...tiles, ...strips]) as [GatherVariant];
}

type Sides = [number, number, number, number];

/** One side (rows or columns) of a gather. */
interface Side {
  /** Outputs p = 0 … count − 1, written at p·outStep + out. */
  readonly count: number;
  readonly outStep: number;
  readonly out: number;
  /** Inputs are read from p·inStep + first on, tapStep apart. */
  readonly inStep: number;
  readonly first: number;
  readonly tapStep: number;
  /** Number of taps; the i-th is the weight's tap `tap` + i·`tapStride`. */
  readonly taps: number;
  readonly tap: number;
  readonly tapStride: number;
}

interface Gather {
  readonly x: Operand;
  readonly concat?: Operand | undefined;
  readonly packed: Operand;
  readonly bias?: Operand | undefined;
  readonly residual?: Operand | undefined;
  readonly y: Operand;
  readonly slope: number;
  readonly rows: Side;
  readonly columns: Side;
}

/** `convolve` of convolution.ts. */
export function gatherConvolution(recorder: Recorder, convolution: Convolution, variant: GatherVariant): void {
  const { weight, y, window } = convolution;
  const [O, C, KH, KW] = weight.shape as Sides;
  const [, , P, Q] = y.shape as Sides;
  const rows = forwardSide(P, KH, window);
  const columns = forwardSide(Q, KW, window);
  const packed = pack(recorder, weight, O, C, rows, columns, { start: 0, o_stride: C * KH * KW, c_stride: KH * KW });
  gather(recorder, { ...convolution, packed, rows, columns }, variant);
}

/** `transpose` of convolution.ts. */
export function gatherTransposition(recorder: Recorder, transposition: Transposition, variant: GatherVariant): void {
  const { x, weight, first, y, window } = transposition;
  const [O, channels, KH, KW] = weight.shape as Sides;
  const [, C, H, W] = y.shape as Sides;
  const strides = { start: first * KH * KW, o_stride: KH * KW, c_stride: channels * KH * KW };
  for (const rows of adjointSides(H, KH, window))
    for (const columns of adjointSides(W, KW, window)) {
      const packed = pack(recorder, weight, C, O, rows, columns, strides);
      gather(recorder, { ...transposition, x, packed, rows, columns }, variant);
    }
}

function forwardSide(count: number, taps: number, { stride, padding, dilation }: Window): Side {
  const [tap, tapStride] = [0, 1];
  return { count, outStep: 1, out: 0, inStep: stride, first: -padding, tapStep: dilation, taps, tap, tapStride };
}

/** The phases of the adjoint along a side of `length` outputs. */
function adjointSides(length: number, kernel: number, { stride, padding, dilation }: Window): Side[] {
  const divisor = greatestCommonDivisor(stride, dilation);
  // Taps that meet one phase are this far apart; from one to the next the input moves by tapStep.
  const period = stride / divisor;
  const tapStep = dilation / divisor;
  return Array.from({ length: Math.min(stride, length) }, (_, out) => {
    const meets = (tap: number) => (out + padding - tap * dilation) % stride === 0;
    const lowest = Array.from({ length: kernel }, (_, tap) => tap).find(meets) ?? kernel;
    const taps = Math.ceil((kernel - lowest) / period);
    // Walked from the last tap down, so that the input is walked upwards.
    const tap = lowest + (taps - 1) * period;
    const count = Math.ceil((length - out) / stride);
    const first = (out + padding - tap * dilation) / stride;
    const side = { count, outStep: stride, out, inStep: 1, tapStep, taps, tapStride: -period };
    return taps ? { ...side, first, tap } : { ...side, first: 0, tap: 0 };
  });
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Output channels that lie side by side in the packed weights. */
const GROUP = 16;

function pack(
  recorder: Recorder,
  weight: Operand,
  O: number,
  C: number,
  rows: Side,
  columns: Side,
  { start, o_stride, c_stride }: { start: number; o_stride: number; c_stride: number },
): Operand {
  const KW = weight.shape[3] as number;
  const groups = Math.ceil(O / GROUP);
  const taps = Math.max(1, rows.taps * columns.taps);
  const packed = recorder.scratch(`weights of phase ${rows.out} ${columns.out}`, [groups, C, taps, GROUP]);
  recorder.dispatch({
    shader: "conv2d_pack",
    params: {
      ...{ count: elements(packed.shape), O, C, KH: Math.max(1, rows.taps), KW: Math.max(1, columns.taps) },
      ...{ start: start + rows.tap * KW + columns.tap, o_stride, c_stride },
      ...{ i_stride: rows.tapStride * KW, j_stride: columns.tapStride },
    },
    bindings: { weight, packed },
    workgroups: flatGrid(elements(packed.shape)),
  });
  return packed;
}

/** One dispatch or more for each input; all but the first go on from the sums in y. */
function gather(recorder: Recorder, task: Gather, variant: GatherVariant): void {
  const sources = [task.x, ...(task.concat ? [task.concat] : [])].flatMap((x) => chunks(x, task, variant));
  let channel = 0;
  for (const [i, source] of sources.entries()) {
    const ends = i === sources.length - 1;
    const { slope, bias, residual } = ends ? task : { slope: 1, bias: undefined, residual: undefined };
    sum(recorder, { ...task, ...source, slope, bias, residual, channel }, variant);
    channel += source.taken;
  }
}

/** Some channels of an input. */
interface Source {
  readonly x: Operand;
  readonly first: number;
  readonly taken: number;
}

/** Products that `tiles` adds up in one go: its slices are summed one after the other, and long sums lose digits. */
const CHUNK = 1024;

function chunks(x: Operand, { rows, columns }: Gather, variant: GatherVariant): Source[] {
  const C = x.shape[1] as number;
  const products = C * Math.max(1, rows.taps * columns.taps);
  const count = variant in TILES ? Math.min(C, Math.ceil(products / CHUNK)) : 1;
  const bound = (i: number) => Math.round((C * i) / count);
  return Array.from({ length: count }, (_, i) => ({ x, first: bound(i), taken: bound(i + 1) - bound(i) }));
}

interface Sum extends Omit<Gather, "concat">, Source {
  /** The packed weights' channel that meets the first one taken of x; above 0, y holds the sums of those before. */
  readonly channel: number;
}

function sum(recorder: Recorder, task: Sum, variant: GatherVariant): void {
  const { x, first, taken, channel, packed, bias, residual, y, slope, rows, columns } = task;
  const [N, C, H, W] = x.shape as Sides;
  const [, O, P, Q] = y.shape as Sides;
  const params = {
    ...{ GH: rows.count, GW: columns.count, C, H, W, channels: packed.shape[1] as number, channel },
    ...{ KH: rows.taps, KW: columns.taps, in_step: rows.inStep, tap_step: rows.tapStep },
    ...{ in_row: rows.first, in_column: columns.first },
    ...{ O, P, Q, out_step: rows.outStep, out_row: rows.out, out_column: columns.out },
    ...{
      adds: Number(channel > 0),
      has_bias: Number(bias !== undefined),
      has_residual: Number(residual !== undefined),
      slope,
    },
  };
  const bindings = { x, packed, bias: bias ?? x, residual: residual ?? x, y };
  const lines = N * rows.count;
  const flops = 2 * lines * columns.count * O * taken * rows.taps * columns.taps;
  if (variant in STRIPS) {
    const { PIXELS } = STRIPS[variant as keyof typeof STRIPS];
    const taps = columns.taps % 3 === 0 && rows.inStep === 1 && rows.tapStep === 1 ? 3 : 1;
    const strips = Math.ceil(columns.count / PIXELS);
    // As many blocks as rows of taps in one: both sums are short, and so are their rounding errors.
    const block = Math.max(1, Math.round(Math.sqrt((C * rows.taps * columns.taps) / taps)));
    recorder.dispatch({
      shader: "conv2d_strips",
      constants: { TAPS: `${taps}u`, PIXELS: `${PIXELS}u` },
      params: { ...params, lines, strips, block },
      bindings,
      workgroups: grid(Math.ceil((lines * strips) / 8), Math.ceil(O / GROUP)),
      flops,
    });
  } else {
    const pixels = lines * columns.count;
    recorder.dispatch({
      shader: "conv2d_tiles",
      params: { ...params, pixels, first, taken },
      bindings,
      workgroups: grid(Math.ceil(pixels / 64), Math.ceil(O / 64)),
      flops,
    });
  }
}

const GROUP_ROW = 32768;

/** `groups` workgroups, folded where they are many, times `layers`. */
function grid(groups: number, layers: number): [number, number, number] {
  return groups <= GROUP_ROW ? [groups, 1, layers] : [GROUP_ROW, Math.ceil(groups / GROUP_ROW), layers];
}
