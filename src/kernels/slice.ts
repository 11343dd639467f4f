/** A run of one side: `shaders/slice.wgsl`, `shaders/slice_gradient.wgsl`. */
import { elements, type Operand, type Operands, type Recorder, vectorOf, vectorWidth, walk } from "./kernel.js";

interface Attributes {
  readonly dim: number;
  readonly start: number;
}

/** y = x from `start` on along side `dim`; y says how far. */
export function slice(recorder: Recorder, { x }: Operands<"x">, { y }: Operands<"y">, attributes: Attributes): void {
  const { width, places } = placesOf({ whole: x, part: y }, attributes);
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
export function sliceGradient(
  recorder: Recorder,
  { dy }: Operands<"dy">,
  { dx }: Operands<"dx">,
  attributes: Attributes,
): void {
  const { width, places } = placesOf({ whole: dx, part: dy }, attributes);
  const { params, workgroups } = walk(recorder.machine, elements(dx.shape) / width);
  recorder.dispatch({
    shader: "slice_gradient",
    constants: { Values: vectorOf(width) },
    params: { ...params, ...places },
    bindings: { dy, dx },
    workgroups,
  });
}

/** Where the part lies in the whole, in vectors of `width`. */
function placesOf({ whole, part }: Record<"whole" | "part", Operand>, { dim, start }: Attributes) {
  const block = elements(part.shape.slice(dim));
  const pitch = elements(whole.shape.slice(dim));
  const offset = start * elements(whole.shape.slice(dim + 1));
  const width = vectorWidth(block, pitch, offset);
  return { width, places: { block: block / width, pitch: pitch / width, offset: offset / width } };
}
