/** Columns summed into an image: `shaders/fold.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";
import { type Windows, windowParams } from "./shared/windows.js";

/** y [N,C,H,W] from x [N,C·kh·kw,rows·columns]. */
export function fold(recorder: Recorder, x: Operand, y: Operand, windows: Windows): void {
  const count = elements(y.shape);
  recorder.dispatch({
    shader: "fold",
    constants: { DILATION: `${windows.dilation}u` },
    params: { count, ...windowParams(y.shape, windows) },
    bindings: { x, y },
    workgroups: flatGrid(count),
  });
}
