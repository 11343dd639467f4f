/** Tensors joined along a side: `shaders/concat.wgsl`, one dispatch an operand. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

/** y = the tensors `xs`, one behind the other along side `dim`. */
export function concat(recorder: Recorder, xs: readonly Operand[], y: Operand, dim: number): void {
  const pitch = elements(y.shape.slice(dim));
  let offset = 0;
  for (const x of xs) {
    const count = elements(x.shape);
    const block = elements(x.shape.slice(dim));
    recorder.dispatch({
      shader: "concat",
      params: { count, block, pitch, offset },
      bindings: { x, y },
      workgroups: flatGrid(count),
    });
    offset += block;
  }
}
