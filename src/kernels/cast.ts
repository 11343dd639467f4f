/** A tensor stored in another type: `shaders/cast.wgsl`. */
import { elements, flatGrid, type Operands, type Recorder } from "./kernel.js";

/** y = x, each as its dtype says. */
export function cast(recorder: Recorder, { x }: Operands<"x">, { y }: Operands<"y">): void {
  const count = elements(y.shape);
  recorder.dispatch({ shader: "cast", params: { count }, bindings: { x, y }, workgroups: flatGrid(count) });
}
