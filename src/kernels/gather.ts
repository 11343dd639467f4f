/** Columns picked by index: `shaders/gather.wgsl`, and the gradient by `gather_lists.wgsl`, `gather_gradient.wgsl`. */
import { flatGrid, type Operand, type Operands, type Recorder, rowOfGroups } from "./kernel.js";

/** Channels that a thread walks through: enough to share the cost of its index, few enough to leave threads. */
const CHANNELS = 32;
/** Of the workgroup that inverts a row of indices; its threads share out the values. */
const LIST_THREADS = 256;

/** y [N, C, J] from x [N, C, L] and index [N, J]. */
export function gather(recorder: Recorder, { x, index }: Operands<"x" | "index">, { y }: Operands<"y">): void {
  const [N, C, L] = columnsOf(x);
  const [, , J] = columnsOf(y);
  recorder.dispatch({
    shader: "gather",
    params: { N, C, L, J, chunk: CHANNELS },
    bindings: { x, index, y },
    workgroups: grid(N * J, C),
  });
}

/** dx [N, C, L] from dy [N, C, J] and index [N, J]: the index is inverted, then each column sums its list. */
export function gatherGradient(
  recorder: Recorder,
  { dy, index }: Operands<"dy" | "index">,
  { dx }: Operands<"dx">,
): void {
  const [N, C, L] = columnsOf(dx);
  const [, , J] = columnsOf(dy);
  const lists = recorder.scratch("lists", [N, J], "u32");
  const ends = recorder.scratch("ends of lists", [N, L], "u32");
  recorder.dispatch({
    shader: "gather_lists",
    constants: { THREADS: LIST_THREADS },
    params: { N, L, J, run: Math.ceil(L / LIST_THREADS) },
    bindings: { index, lists, ends },
    workgroups: rowOfGroups(N),
  });
  recorder.dispatch({
    shader: "gather_gradient",
    params: { N, C, L, J, chunk: CHANNELS },
    bindings: { dy, lists, ends, dx },
    workgroups: grid(N * L, C),
  });
}

function columnsOf({ shape }: Operand) {
  return shape as [number, number, number];
}

function grid(pairs: number, C: number): [number, number, number] {
  const [columns, rows] = flatGrid(pairs);
  return [columns, rows, Math.ceil(C / CHANNELS)];
}
