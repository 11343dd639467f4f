/** The corners of the windows that the fine match searches: `shaders/window_origin.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

/** index, originX, originY [N, blocks]; `sides` of Ref↓ and of the window as [vertical, horizontal]. */
export function windowOrigin(
  recorder: Recorder,
  index: Operand,
  [originX, originY]: readonly [Operand, Operand],
  [Hr, Wr]: readonly [number, number],
  [height, width]: readonly [number, number],
): void {
  const count = elements(index.shape);
  recorder.dispatch({
    shader: "window_origin",
    params: { count, Hr, Wr, height, width },
    bindings: { index, origin_x: originX, origin_y: originY },
    workgroups: flatGrid(count),
  });
}
