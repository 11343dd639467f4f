/** The largest element of every row: `shaders/top1.wgsl`, `shaders/top1_gradient.wgsl`. */
import { elements, flatGrid, type Operands, type Recorder, rowOfGroups } from "./kernel.js";

/** Rows from this length on take a workgroup of 256 threads, shorter ones of 64. */
const LONG = 4096;

/** values, indices [..., 1] from x [..., n]. */
export function top1(
  recorder: Recorder,
  { x }: Operands<"x">,
  { values, indices }: Operands<"values" | "indices">,
): void {
  const rows = elements(values.shape);
  const n = elements(x.shape) / rows;
  recorder.dispatch({
    shader: "top1",
    constants: { THREADS: n >= LONG ? 256 : 64 },
    params: { rows, n },
    bindings: { x, values, indices },
    workgroups: rowOfGroups(rows),
  });
}

/** dx [..., n] from the gradient of the values and the indices [..., 1]. */
export function top1Gradient(
  recorder: Recorder,
  { dy, indices }: Operands<"dy" | "indices">,
  { dx }: Operands<"dx">,
): void {
  const count = elements(dx.shape);
  recorder.dispatch({
    shader: "top1_gradient",
    params: { count, n: count / elements(dy.shape) },
    bindings: { dy, indices, dx },
    workgroups: flatGrid(count),
  });
}
