/** Windows of an image as columns: `shaders/unfold.wgsl`. */
import { flatGrid, nchw, type Operands, type Recorder } from "./kernel.js";
import { type Windows, windowParams } from "./shared/windows.js";

/** y [N,C·kh·kw,rows·columns] from x [N,C,H,W]. */
export function unfold(
  recorder: Recorder,
  { x }: Operands<"x">,
  { y }: Operands<"y">,
  { windows }: { readonly windows: Windows },
): void {
  const [N, C] = nchw(x);
  const count = N * C * windows.count[0] * windows.count[1];
  recorder.dispatch({
    shader: "unfold",
    params: { count, ...windowParams(x, windows), dilation: windows.dilation },
    bindings: { x, y },
    workgroups: flatGrid(count),
  });
}
