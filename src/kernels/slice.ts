/** A run of one side: `shaders/slice.wgsl`, `shaders/slice_gradient.wgsl`. */
import { elements, type Operand, type Recorder, vectorOf, vectorWidth, walk } from "./kernel.js";

/** y = x from `start` on along side `dim`; y says how far. */
export function slice(recorder: Recorder, x: Operand, y: Operand, dim: number, start: number): void {
  const { width, places } = placesOf(x, y, dim, start);
  const { params, workgroups } = walk(recorder.machine, elements(y.shape) / width);
  recorder.dispatch({
    shader: "slice",
    constants: { Values: vectorOf(width, "u32") },
    params: { ...params, ...places },
    bindings: { x, y },
    workgroups,
  });
}

/** dx = dy from `start` on along side `dim`, 0 elsewhere. */
export function sliceGradient(recorder: Recorder, dy: Operand, dx: Operand, dim: number, start: number): void {
  const { width, places } = placesOf(dx, dy, dim, start);
  const { params, workgroups } = walk(recorder.machine, elements(dx.shape) / width);
  recorder.dispatch({
    shader: "slice_gradient",
    constants: { Values: vectorOf(width) },
    params: { ...params, ...places },
    bindings: { dy, dx },
    workgroups,
  });
}

/** Where y lies in x, in vectors of `width`. */
function placesOf(x: Operand, y: Operand, dim: number, start: number) {
  const block = elements(y.shape.slice(dim));
  const pitch = elements(x.shape.slice(dim));
  const offset = start * elements(x.shape.slice(dim + 1));
  const width = vectorWidth(block, pitch, offset);
  return { width, places: { block: block / width, pitch: pitch / width, offset: offset / width } };
}
