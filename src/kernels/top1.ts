/** The largest element of every row: `shaders/top1.wgsl`, `shaders/top1_gradient.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

/** Rows from this length on take a workgroup of 256 threads, shorter ones of 64. */
const LONG = 4096;
const GROUP_ROW = 32768;

/** values, indices [..., 1] from x [..., n]. */
export function top1(recorder: Recorder, x: Operand, values: Operand, indices: Operand): void {
  const rows = elements(values.shape);
  const n = elements(x.shape) / rows;
  recorder.dispatch({
    shader: "top1",
    constants: { THREADS: n >= LONG ? "256u" : "64u" },
    params: { rows, n },
    bindings: { x, values, indices },
    workgroups: rows <= GROUP_ROW ? [rows, 1, 1] : [GROUP_ROW, Math.ceil(rows / GROUP_ROW), 1],
  });
}

/** dx [..., n] from the gradient of the values and the indices [..., 1]. */
export function top1Gradient(recorder: Recorder, dy: Operand, indices: Operand, dx: Operand): void {
  const count = elements(dx.shape);
  recorder.dispatch({
    shader: "top1_gradient",
    params: { count, n: count / elements(dy.shape) },
    bindings: { dy, indices, dx },
    workgroups: flatGrid(count),
  });
}
