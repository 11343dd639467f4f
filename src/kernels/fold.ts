/** Columns summed into an image: `shaders/fold.wgsl`. */
import { elements, flatGrid, type Operands, type Recorder } from "./kernel.js";
import { type Windows, windowParams } from "./shared/windows.js";

/** y [N,C,H,W] from x [N,C·kh·kw,rows·columns]. */
export function fold(
  recorder: Recorder,
  { x }: Operands<"x">,
  { y }: Operands<"y">,
  { windows }: { readonly windows: Windows },
): void {
  const count = elements(y.shape);
  recorder.dispatch({
    shader: "fold",
    constants: { DILATION: windows.dilation },
    params: { count, ...windowParams(y, windows) },
    bindings: { x, y },
    workgroups: flatGrid(count),
  });
}
