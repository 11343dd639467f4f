/** Columns picked by index: `shaders/gather.wgsl`, and the gradient by `gather_lists.wgsl`, `gather_gradient.wgsl`. */
import { flatGrid, type Operand, type Recorder } from "./kernel.js";

/** Channels that a thread walks through: enough to share the cost of its index, few enough to leave threads. */
const CHANNELS = 32;
/** Of the workgroup that inverts a row of indices; its threads share out the values. */
const LIST_THREADS = 256;
const GROUP_ROW = 32768;

type Sides = [number, number, number];

/** y [N,C,J] from x [N,C,L] and index [N,J]. */
export function gather(recorder: Recorder, x: Operand, index: Operand, y: Operand): void {
  const [N, C, L] = x.shape as Sides;
  const [, , J] = y.shape as Sides;
  recorder.dispatch({
    shader: "gather",
    params: { N, C, L, J, chunk: CHANNELS },
    bindings: { x, index, y },
    workgroups: grid(N * J, C),
  });
}

/** dx [N,C,L] from dy [N,C,J] and index [N,J]: the index is inverted, then each column sums its list. */
export function gatherGradient(recorder: Recorder, dy: Operand, index: Operand, dx: Operand): void {
  const [N, C, L] = dx.shape as Sides;
  const [, , J] = dy.shape as Sides;
  const lists = recorder.scratch("lists", [N, J], "u32");
  const ends = recorder.scratch("ends of lists", [N, L], "u32");
  recorder.dispatch({
    shader: "gather_lists",
    constants: { THREADS: `${LIST_THREADS}u` },
    params: { N, L, J, run: Math.ceil(L / LIST_THREADS) },
    bindings: { index, lists, ends },
    workgroups: N <= GROUP_ROW ? [N, 1, 1] : [GROUP_ROW, Math.ceil(N / GROUP_ROW), 1],
  });
  recorder.dispatch({
    shader: "gather_gradient",
    params: { N, C, L, J, chunk: CHANNELS },
    bindings: { dy, lists, ends, dx },
    workgroups: grid(N * L, C),
  });
}

function grid(pairs: number, C: number): [number, number, number] {
  const [columns, rows] = flatGrid(pairs);
  return [columns, rows, Math.ceil(C / CHANNELS)];
}
