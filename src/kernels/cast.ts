/** A tensor stored in another type: `shaders/cast.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

/** y = x, each as its dtype says. */
export function cast(recorder: Recorder, x: Operand, y: Operand): void {
  const count = elements(y.shape);
  recorder.dispatch({ shader: "cast", params: { count }, bindings: { x, y }, workgroups: flatGrid(count) });
}
