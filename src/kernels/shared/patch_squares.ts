/** Squared lengths of the features of each pixel, from which the norms of patches are summed: `shaders/patch_squares.wgsl`. */
import { flatGrid, nchw, type Operand, type Recorder } from "../kernel.js";

/** x [N, C, H, W] → [N, H, W]. */
export function patchSquares(recorder: Recorder, x: Operand): Operand {
  const [N, C, H, W] = nchw(x);
  const y = recorder.scratch(`squares of ${x.name}`, [N, H, W]);
  const count = N * H * W;
  recorder.dispatch({
    shader: "patch_squares",
    params: { count, C, plane: H * W },
    bindings: { x, y },
    workgroups: flatGrid(count),
  });
  return y;
}
