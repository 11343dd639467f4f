/** A run of one side: `shaders/slice.wgsl`, `shaders/slice_gradient.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

/** y = x from `start` on along side `dim`; y says how far. */
export function slice(recorder: Recorder, x: Operand, y: Operand, dim: number, start: number): void {
  const count = elements(y.shape);
  const params = { count, ...places(x, y, dim, start) };
  recorder.dispatch({ shader: "slice", params, bindings: { x, y }, workgroups: flatGrid(count) });
}

/** dx = dy from `start` on along side `dim`, 0 elsewhere. */
export function sliceGradient(recorder: Recorder, dy: Operand, dx: Operand, dim: number, start: number): void {
  const count = elements(dx.shape);
  const params = { count, ...places(dx, dy, dim, start) };
  recorder.dispatch({ shader: "slice_gradient", params, bindings: { dy, dx }, workgroups: flatGrid(count) });
}

function places(x: Operand, y: Operand, dim: number, start: number) {
  return {
    block: elements(y.shape.slice(dim)),
    pitch: elements(x.shape.slice(dim)),
    offset: start * elements(x.shape.slice(dim + 1)),
  };
}
