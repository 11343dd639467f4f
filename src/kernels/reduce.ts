/** Sums over sides of a tensor: `shaders/reduce_*.wgsl`, one pass for each run of neighbouring sides, innermost first. */
import { elements, type Operand, type Operands, type Recorder } from "./kernel.js";
import { shareRows, sumColumns } from "./shared/rows.js";

/** Rows shorter than this would leave most of a workgroup idle: a thread each takes them. */
const SHORT = 32;

/** y = factor · the sum of `x` over the sides `dims` (ascending). `y` has as many elements as the other sides. */
export function sum(
  recorder: Recorder,
  { x }: Operands<"x">,
  { y }: Operands<"y">,
  { dims, factor }: { readonly dims: readonly number[]; readonly factor: number },
): void {
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
  if (inner > 1 || length < SHORT) return sumColumns(recorder, x, y, [outer, length, inner], factor);
  const { constants, params, workgroups } = shareRows(recorder, "sums", outer, length);
  const { pieces } = params;
  const whole = pieces === 1;
  const sums = whole ? y : recorder.scratch("partial sums", [outer, pieces]);
  recorder.dispatch({
    shader: "reduce_rows",
    constants,
    params: { outer, ...params, factor: whole ? factor : 1 },
    bindings: { x, y: sums },
    workgroups,
  });
  if (!whole) pass(recorder, sums, y, [outer, pieces, 1], factor);
}
