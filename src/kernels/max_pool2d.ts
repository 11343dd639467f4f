/** 2 × 2 maximum pooling: `shaders/max_pool2d*.wgsl`. */
import { elements, flatGrid, nchw, type Operand, type Operands, type Recorder } from "./kernel.js";

function sides(x: Operand) {
  const [N, C, H, W] = nchw(x);
  return { planes: N * C, H, W, P: Math.floor(H / 2), Q: Math.floor(W / 2) };
}

/** y [N, C, ⌊H/2⌋, ⌊W/2⌋] from x [N, C, H, W]. */
export function maxPool2d(recorder: Recorder, { x }: Operands<"x">, { y }: Operands<"y">): void {
  recorder.dispatch({
    shader: "max_pool2d",
    params: sides(x),
    bindings: { x, y },
    workgroups: flatGrid(elements(y.shape)),
  });
}

/** dx from x and dy. */
export function maxPool2dGradient(recorder: Recorder, { x, dy }: Operands<"x" | "dy">, { dx }: Operands<"dx">): void {
  const params = sides(x);
  recorder.dispatch({
    shader: "max_pool2d_gradient",
    params,
    bindings: { x, dy, dx },
    workgroups: flatGrid(params.planes * Math.ceil(params.H / 2) * Math.ceil(params.W / 2)),
  });
}
