/** Sums over sides of a tensor: `shaders/reduce.wgsl`, one pass for each run of neighbouring sides, innermost first. */
import { elements, flatGrid, HALF, type Operand, type Recorder } from "./kernel.js";

/** Elements that one workgroup adds; longer rows are cut into pieces, whose sums a second pass adds. */
const PIECE = 4096;
/** Rows shorter than this would leave most of a workgroup idle: a thread each takes them. */
const SHORT = 32;
const GROUP_ROW = 32768;

/** y = factor · the sum of `x` over the sides `dims` (ascending). `y` has as many elements as the other sides. */
export function sum(recorder: Recorder, x: Operand, y: Operand, dims: readonly number[], factor: number): void {
  const runs = neighbours(dims).reverse();
  if (runs.length === 0) runs.push([0, 0]);
  let from: Operand = x;
  let shape: number[] = [...x.shape];
  for (const [i, [first, end]] of runs.entries()) {
    const last = i === runs.length - 1;
    const outer = elements(shape.slice(0, first));
    const length = elements(shape.slice(first, end));
    const inner = elements(shape.slice(end));
    shape = shape.map((side, d) => (d >= first && d < end ? 1 : side));
    const to = last ? y : recorder.scratch(`sum of sides ${first}–${end - 1}`, shape);
    pass(recorder, from, to, [outer, length, inner], last ? factor : 1);
    from = to;
  }
}

/** [0, 2, 3] → [[0, 1], [2, 4]]: runs of neighbouring sides as [first, end). */
function neighbours(dims: readonly number[]): [number, number][] {
  const runs: [number, number][] = [];
  for (const dim of dims) {
    const run = runs.at(-1);
    if (run && run[1] === dim) run[1] = dim + 1;
    else runs.push([dim, dim + 1]);
  }
  return runs;
}

function pass(
  recorder: Recorder,
  x: Operand,
  y: Operand,
  [outer, length, inner]: [number, number, number],
  factor: number,
) {
  if (inner > 1 || length < SHORT) {
    recorder.dispatch({
      shader: "reduce",
      entry: "columns",
      params: { outer, length, inner, pieces: 1, piece: length, factor, half: HALF },
      bindings: { x, y },
      workgroups: flatGrid(outer * inner),
    });
    return;
  }
  const pieces = Math.ceil(length / PIECE);
  const sums = pieces === 1 ? y : recorder.scratch("partial sums", [outer, pieces]);
  rows(recorder, x, sums, { outer, length, pieces, piece: Math.min(PIECE, length), factor: pieces === 1 ? factor : 1 });
  if (pieces > 1) rows(recorder, sums, y, { outer, length: pieces, pieces: 1, piece: pieces, factor });
}

type RowParams = { outer: number; length: number; pieces: number; piece: number; factor: number };

function rows(recorder: Recorder, x: Operand, y: Operand, params: RowParams): void {
  recorder.dispatch({
    shader: "reduce",
    entry: "rows",
    params: { ...params, inner: 1, half: HALF },
    bindings: { x, y },
    workgroups: grid(params.outer * params.pieces),
  });
}

/** One workgroup an output. */
function grid(outputs: number): [number, number, number] {
  return outputs <= GROUP_ROW ? [outputs, 1, 1] : [GROUP_ROW, Math.ceil(outputs / GROUP_ROW), 1];
}
