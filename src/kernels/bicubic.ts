/** Bicubic resizing: `shaders/bicubic.wgsl`, `shaders/bicubic_gradient.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

/** Planes that a thread walks through: enough to share the cost of its taps, few enough to leave threads. */
const PLANES = 8;

type Sides = [number, number, number, number];

/** y [N,C,OH,OW] = x [N,C,H,W] resized. */
export function bicubic(recorder: Recorder, x: Operand, y: Operand): void {
  const [N, C, H, W] = x.shape as Sides;
  const [, , OH, OW] = y.shape as Sides;
  recorder.dispatch({
    shader: "bicubic",
    params: { planes: N * C, chunk: PLANES, H, W, OH, OW },
    bindings: { x, y },
    workgroups: grid(y),
  });
}

/** dx [N,C,H,W] from dy [N,C,OH,OW]. */
export function bicubicGradient(recorder: Recorder, dy: Operand, dx: Operand): void {
  const [N, C, H, W] = dx.shape as Sides;
  const [, , OH, OW] = dy.shape as Sides;
  recorder.dispatch({
    shader: "bicubic_gradient",
    constants: { PLANES: `${Math.min(N * C, PLANES)}u` },
    params: { planes: N * C, H, W, OH, OW },
    bindings: { dy, dx },
    workgroups: grid(dx),
  });
}

/** One thread a position and `PLANES` planes. */
function grid({ shape }: Operand): [number, number, number] {
  const [columns, rows] = flatGrid(elements(shape.slice(2)));
  return [columns, rows, Math.ceil(elements(shape.slice(0, 2)) / PLANES)];
}
