/** Windows cut out of a feature map: `shaders/crop_windows.wgsl` and, backward, `crop_windows_gradient.wgsl`. */
import { elements, flatGrid, nchw, type Operand, type Operands, type Recorder } from "./kernel.js";

interface Attributes {
  readonly scale: number;
}

/** y [N·blocks, C, height, width] ← x [N, C, H, W] at the corners scale·origin, [N, blocks]. */
export function cropWindows(
  recorder: Recorder,
  { x, originX, originY }: Operands<"x" | "originX" | "originY">,
  { y }: Operands<"y">,
  { scale }: Attributes,
): void {
  const count = elements(y.shape);
  recorder.dispatch({
    shader: "crop_windows",
    params: { count, ...params({ map: x, windows: y, originX }), scale },
    bindings: { x, origin_x: originX, origin_y: originY, y },
    workgroups: flatGrid(count),
  });
}

/** dx [N, C, H, W] ← dy [N·blocks, C, height, width]. */
export function cropWindowsGradient(
  recorder: Recorder,
  { dy, originX, originY }: Operands<"dy" | "originX" | "originY">,
  { dx }: Operands<"dx">,
  { scale }: Attributes,
): void {
  const count = elements(dx.shape);
  recorder.dispatch({
    shader: "crop_windows_gradient",
    params: { count, ...params({ map: dx, windows: dy, originX }), scale },
    bindings: { dy, origin_x: originX, origin_y: originY, dx },
    workgroups: flatGrid(count),
  });
}

function params({ map, windows, originX }: Record<"map" | "windows" | "originX", Operand>) {
  const [, C, H, W] = nchw(map);
  const [, , height, width] = nchw(windows);
  return { blocks: originX.shape[1] as number, C, H, W, height, width };
}
