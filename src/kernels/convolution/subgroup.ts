/**
 * Convolution by subgroup broadcast, for CPU adapters, `shaders/conv2d_subgroup.wgsl`: the inputs in the NC4HW4 layout with
 * the margin that the taps need, the weights in the order in which they are read, then one dispatch per phase.
 */

import { byteSize, flatGrid, type Machine, type Operand, type Recorder, rowOfGroups } from "../kernel.js";
import { type Margin, nc4hw4, nc4hw4Storage } from "../shared/nc4hw4.js";
import {
  type Algorithm,
  channelsOf,
  isDoubling,
  type PartialSum,
  type Phase,
  type Problem,
  partialSums,
  phaseParams,
  type Side,
} from "./problem.js";

type Sides = [number, number, number, number];

/** Pixels of a strip, which a thread computes, and strips of a workgroup. */
const PIXELS = 8;
const STRIPS = 8;

/**
 * Output channels that a thread can compute, and the most of them by the step between its pixels: 32 are faster than 16 if
 * there are as many, but take almost twice as long to compile, and steps of 2 are rare.
 */
const OUTPUTS = [4, 8, 16, 32];
const MOST_OUTPUTS = { 1: 32, 2: 16 } as const;
/** Most steps, each of 4 to 12 products, of one sum. */
const MOST_STEPS = 48;

export const subgroup: Algorithm<Problem> = {
  id: `subgroup/${PIXELS}`,
  /** The subgroup must have 8 threads, and the inputs in NC4HW4, one at a time at least, must fit a binding. */
  valid(machine, { sources, phases }) {
    const margin = marginOf(sources[0] as Operand, phases);
    return machine.subgroupMinSize >= 8 && sources.every((source) => fits(machine, [source], margin));
  },
  record: (recorder, problem) => (isDoubling(problem) ? doubling : phaseByPhase)(recorder, problem),
};

function fits({ limits }: Machine, sources: readonly Operand[], { rows, columns }: Margin): boolean {
  const [N] = (sources[0] as Operand).shape as [number];
  const groups = sources.reduce((sum, { shape }) => sum + Math.ceil((shape[1] as number) / 4), 0);
  const packed = { name: "nc4hw4", shape: [N, groups, rows, columns, 4], dtype: nc4hw4Storage(sources) };
  return byteSize(packed) <= limits.maxStorageBufferBindingSize;
}

/** One dispatch per phase; inputs that exceed a binding together come one after the other. */
function phaseByPhase(recorder: Recorder, task: Problem): void {
  const { sources, strides, phases } = task;
  const margin = marginOf(sources[0] as Operand, phases);
  const together = fits(recorder.machine, sources, margin);
  let channel = 0;
  const parts = together ? [sources] : sources.map((source) => [source]);
  const sums = partialSums(recorder, task, parts.length);
  for (const [i, part] of parts.entries()) {
    const start = strides.start + channel * strides.c_stride;
    const sum = { ...(sums[i] as PartialSum), sources: part, strides: { ...strides, start } };
    const x = nc4hw4(recorder, part, margin);
    for (const phase of phases) dispatchPhase(recorder, sum, phase, x, margin);
    channel += channelsOf(part);
  }
}

function dispatchPhase(recorder: Recorder, task: PartialSum, phase: Phase, x: Operand, margin: Margin): void {
  const { y, sources, bias, residual, slope, adds } = task;
  const { rows, columns } = phase;
  const groups = x.shape[1] as number;
  const O = y.shape[1] as number;
  const taps = tapsOf(columns);
  const step = taps > 1 && columns.inStep === 2 ? 2 : 1;
  const outputs = Math.min(OUTPUTS.find((count) => count >= O) ?? 32, MOST_OUTPUTS[step]);
  const lines = (y.shape[0] as number) * rows.count;
  const strips = Math.ceil(columns.count / PIXELS);
  const packed = pack(recorder, task, phase, taps, outputs, groups);
  const steps = (groups * rows.taps * columns.taps) / taps;
  recorder.dispatch({
    shader: "conv2d_subgroup",
    constants: { TAPS: taps, STEP: step, OUTPUTS: outputs },
    params: {
      ...phaseParams(task, phase),
      ...{ lines, strips, quads: groups, rows: margin.rows, columns: margin.columns },
      ...{ in_row: margin.top + rows.first, in_column: margin.left + columns.first },
      ...{ spacing: taps > 1 ? 1 : columns.inStep, block: blockOf(steps), adds: Number(adds), slope },
    },
    bindings: { x, packed, bias: bias ?? packed, residual: residual ?? x, y },
    workgroups: [Math.ceil(O / outputs), ...groupsOf(lines * strips)],
    flops: 2 * lines * columns.count * O * channelsOf(sources) * rows.taps * columns.taps,
  });
}

/** Workgroups for so many strips. */
function groupsOf(strips: number): [number, number] {
  const [across, down] = rowOfGroups(Math.ceil(strips / STRIPS));
  return [across, down];
}

/** Steps of a block: as few blocks as possible, of equal length. */
function blockOf(steps: number): number {
  return Math.ceil(steps / Math.ceil(steps / MOST_STEPS)) || 1;
}

/** All four phases in one dispatch: they share their inputs. */
function doubling(recorder: Recorder, task: Problem): void {
  const { sources, bias, y, slope } = task;
  const [N, , GH, GW] = (sources[0] as Operand).shape as Sides;
  const [, O, P, Q] = y.shape as Sides;
  const strips = Math.ceil(GW / PIXELS);
  const margin = { top: 0, left: 0, rows: GH + 1, columns: strips * PIXELS + 1 };
  const x = nc4hw4(recorder, sources, margin);
  const groups = x.shape[1] as number;
  const taps = { taps: 3, tap: 0, tapStride: 1 };
  const packed = pack(recorder, task, { rows: taps, columns: taps }, 1, 8, groups);
  recorder.dispatch({
    shader: "conv_transpose2d_subgroup",
    params: {
      ...{ strips, lines: N * GH, GH, quads: groups, rows: margin.rows, columns: margin.columns },
      ...{ block: blockOf(groups), O, P, Q },
      ...{ has_bias: Number(bias !== undefined), slope },
    },
    bindings: { x, packed, bias: bias ?? packed, y },
    workgroups: [Math.ceil(O / 8), ...groupsOf(N * GH * strips)],
    flops: 18 * N * GH * GW * O * channelsOf(sources),
  });
}

/** Taps of a row that one step of the kernel covers: they share their pixels. */
function tapsOf({ taps, tapStep, inStep }: Side): 1 | 2 | 3 {
  if (tapStep !== 1 || inStep > 2) return 1;
  if (taps % 3 === 0 && taps > 0) return 3;
  return taps % 2 === 0 && taps > 0 ? 2 : 1;
}

/** Zeros around the inputs, so that no tap of any strip lies outside; the last strip of a row may be longer than the row. */
function marginOf(x: Operand, phases: readonly Phase[]) {
  const [, , H, W] = x.shape as Sides;
  const low = (sides: readonly Side[]) => Math.max(0, ...sides.map(({ first }) => -first));
  const high = (sides: readonly Side[], whole: number) =>
    Math.max(
      ...sides.map(({ count, inStep, first, taps, tapStep }) => {
        const last = Math.ceil(count / whole) * whole - 1;
        return last * inStep + first + Math.max(0, taps - 1) * tapStep;
      }),
    );
  const [rows, columns] = [phases.map((phase) => phase.rows), phases.map((phase) => phase.columns)];
  const [top, left] = [low(rows), 4 * Math.ceil(low(columns) / 4)];
  return {
    top,
    left,
    rows: top + Math.max(H, high(rows, 1) + 1),
    columns: left + Math.max(W, high(columns, PIXELS) + 1),
  };
}

type Taps = Pick<Side, "taps" | "tap" | "tapStride">;

/** The weights of a phase. Each input begins a new group of four channels. */
function pack(
  recorder: Recorder,
  { weight, strides, sources, y }: Problem,
  { rows, columns }: Record<"rows" | "columns", Taps>,
  taps: number,
  outputs: number,
  groups: number,
): Operand {
  const KW = weight.shape[3] as number;
  const O = y.shape[1] as number;
  const eighths = Math.ceil(outputs / 8);
  const blocks = Math.ceil(O / outputs);
  const room = [blocks, groups, Math.max(1, rows.taps), Math.max(1, columns.taps), 8 * eighths, 4];
  const packed = recorder.scratch(`weights from tap ${rows.tap} ${columns.tap} on`, room);
  let [channel, quad] = [0, 0];
  for (const { shape } of sources) {
    const C = shape[1] as number;
    const count = blocks * Math.ceil(C / 4) * 8 * eighths;
    recorder.dispatch({
      shader: "conv2d_subgroup_pack",
      constants: { TAPS: taps, OUTPUTS: outputs },
      params: {
        ...{ count, C, KH: rows.taps, KW: columns.taps, quads: groups, quad, O },
        ...{ o_stride: strides.o_stride, c_stride: strides.c_stride },
        start: strides.start + channel * strides.c_stride + rows.tap * KW + columns.tap,
        ...{ i_stride: rows.tapStride * KW, j_stride: columns.tapStride },
      },
      bindings: { weight, packed },
      workgroups: flatGrid(count),
    });
    channel += C;
    quad += Math.ceil(C / 4);
  }
  return packed;
}
