/** Windows cut out of a feature map: `shaders/crop_windows.wgsl` and, backward, `crop_windows_gradient.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

export interface Windows {
  readonly originX: Operand;
  readonly originY: Operand;
  readonly scale: number;
}

/** y [N·blocks, C, height, width] ← x [N, C, H, W] at the corners scale·origin, [N, blocks]. */
export function cropWindows(recorder: Recorder, x: Operand, windows: Windows, y: Operand): void {
  recorder.dispatch({
    shader: "crop_windows",
    params: params(x, y, elements(y.shape), windows),
    bindings: { x, origin_x: windows.originX, origin_y: windows.originY, y },
    workgroups: flatGrid(elements(y.shape)),
  });
}

/** dx [N, C, H, W] ← dy [N·blocks, C, height, width]. */
export function cropWindowsGradient(recorder: Recorder, dy: Operand, windows: Windows, dx: Operand): void {
  recorder.dispatch({
    shader: "crop_windows_gradient",
    params: params(dx, dy, elements(dx.shape), windows),
    bindings: { dy, origin_x: windows.originX, origin_y: windows.originY, dx },
    workgroups: flatGrid(elements(dx.shape)),
  });
}

function params(map: Operand, windows: Operand, count: number, { originX, scale }: Windows) {
  const [, C, H, W] = map.shape as [number, number, number, number];
  const [, , height, width] = windows.shape as [number, number, number, number];
  return { count, blocks: originX.shape[1] as number, C, H, W, height, width, scale };
}
