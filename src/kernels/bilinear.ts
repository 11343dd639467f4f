/** Bilinear resizing: `shaders/bilinear.wgsl`, `shaders/bilinear_gradient.wgsl`. */
import { nchw, type Operands, planeGrid, type Recorder } from "./kernel.js";

/** Planes that a thread walks through: enough to share the cost of its taps, few enough to leave threads. */
const PLANES = 8;

/** y [N, C, OH, OW] = x [N, C, H, W] resized. */
export function bilinear(recorder: Recorder, { x }: Operands<"x">, { y }: Operands<"y">): void {
  const [N, C, H, W] = nchw(x);
  const [, , OH, OW] = nchw(y);
  recorder.dispatch({
    shader: "bilinear",
    params: { planes: N * C, chunk: PLANES, H, W, OH, OW },
    bindings: { x, y },
    workgroups: planeGrid(y, PLANES),
  });
}

/** dx [N, C, H, W] from dy [N, C, OH, OW]. */
export function bilinearGradient(recorder: Recorder, { dy }: Operands<"dy">, { dx }: Operands<"dx">): void {
  const [N, C, H, W] = nchw(dx);
  const [, , OH, OW] = nchw(dy);
  recorder.dispatch({
    shader: "bilinear_gradient",
    constants: { PLANES: Math.min(N * C, PLANES) },
    params: { planes: N * C, H, W, OH, OW },
    bindings: { dy, dx },
    workgroups: planeGrid(dx, PLANES),
  });
}
