/** Padding that repeats the border: `shaders/replicate_pad.wgsl`, `shaders/replicate_pad_gradient.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

/** Planes that a thread walks through: enough to share the cost of its indices, few enough to leave threads. */
const PLANES = 8;

/** Pixels added on each side, in the order of PyTorch's F.pad. */
export type Padding = readonly [left: number, right: number, top: number, bottom: number];

/** y [N,C,top + H + bottom,left + W + right] from x [N,C,H,W]. */
export function replicatePad(recorder: Recorder, x: Operand, y: Operand, padding: Padding): void {
  const params = parameters(x, y, padding);
  recorder.dispatch({ shader: "replicate_pad", params, bindings: { x, y }, workgroups: grid(y) });
}

/** dx [N,C,H,W] from dy, of the padded shape. */
export function replicatePadGradient(recorder: Recorder, dy: Operand, dx: Operand, padding: Padding): void {
  const params = parameters(dx, dy, padding);
  recorder.dispatch({ shader: "replicate_pad_gradient", params, bindings: { dy, dx }, workgroups: grid(dx) });
}

function parameters(x: Operand, y: Operand, [left, , top]: Padding) {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const [, , OH, OW] = y.shape as [number, number, number, number];
  return { planes: N * C, chunk: PLANES, H, W, OH, OW, top, left };
}

/** One thread a position and `PLANES` planes. */
function grid({ shape }: Operand): [number, number, number] {
  const [columns, rows] = flatGrid(elements(shape.slice(2)));
  return [columns, rows, Math.ceil(elements(shape.slice(0, 2)) / PLANES)];
}
