/** Padding that repeats the border: `shaders/replicate_pad.wgsl`, `shaders/replicate_pad_gradient.wgsl`. */
import { nchw, type Operand, type Operands, planeGrid, type Recorder } from "./kernel.js";

/** Planes that a thread walks through: enough to share the cost of its indices, few enough to leave threads. */
const PLANES = 8;

/** Pixels added on each side, in the order of PyTorch's F.pad. */
export type Padding = readonly [left: number, right: number, top: number, bottom: number];

interface Attributes {
  readonly padding: Padding;
}

/** y [N, C, top + H + bottom, left + W + right] from x [N, C, H, W]. */
export function replicatePad(
  recorder: Recorder,
  { x }: Operands<"x">,
  { y }: Operands<"y">,
  { padding }: Attributes,
): void {
  recorder.dispatch({
    shader: "replicate_pad",
    params: parameters({ inner: x, padded: y }, padding),
    bindings: { x, y },
    workgroups: planeGrid(y, PLANES),
  });
}

/** dx [N, C, H, W] from dy, of the padded shape. */
export function replicatePadGradient(
  recorder: Recorder,
  { dy }: Operands<"dy">,
  { dx }: Operands<"dx">,
  { padding }: Attributes,
): void {
  recorder.dispatch({
    shader: "replicate_pad_gradient",
    params: parameters({ inner: dx, padded: dy }, padding),
    bindings: { dy, dx },
    workgroups: planeGrid(dx, PLANES),
  });
}

function parameters({ inner, padded }: Record<"inner" | "padded", Operand>, [left, , top]: Padding) {
  const [N, C, H, W] = nchw(inner);
  const [, , OH, OW] = nchw(padded);
  return { planes: N * C, chunk: PLANES, H, W, OH, OW, top, left };
}
