/** The corners of the windows that the fine match searches: `shaders/window_origin.wgsl`. */
import { elements, flatGrid, type Operands, type Recorder } from "./kernel.js";

interface Attributes {
  /** Dimensions of Ref↓. */
  readonly refDown: readonly [number, number];
  readonly window: readonly [number, number];
}

/** originX, originY from index, all [N, blocks]. */
export function windowOrigin(
  recorder: Recorder,
  { index }: Operands<"index">,
  { originX, originY }: Operands<"originX" | "originY">,
  { refDown: [Hr, Wr], window: [height, width] }: Attributes,
): void {
  const count = elements(index.shape);
  recorder.dispatch({
    shader: "window_origin",
    params: { count, Hr, Wr, height, width },
    bindings: { index, origin_x: originX, origin_y: originY },
    workgroups: flatGrid(count),
  });
}
