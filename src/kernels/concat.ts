/** Tensors joined along a dimension: `shaders/concat.wgsl`, one dispatch an operand. */
import { elements, type Operand, type Operands, type Recorder, vectorOf, vectorWidth, walk } from "./kernel.js";

/** y = the tensors `xs`, one behind the other along dimension `dim`. */
export function concat(
  recorder: Recorder,
  { xs }: { readonly xs: readonly Operand[] },
  { y }: Operands<"y">,
  { dim }: { readonly dim: number },
): void {
  const pitch = elements(y.shape.slice(dim));
  let offset = 0;
  for (const x of xs) {
    const block = elements(x.shape.slice(dim));
    const width = vectorWidth(block, pitch, offset);
    const { params, workgroups } = walk(recorder.machine, elements(x.shape) / width);
    recorder.dispatch({
      shader: "concat",
      constants: { Values: vectorOf(width, "u32") },
      params: { ...params, block: block / width, pitch: pitch / width, offset: offset / width },
      bindings: { x, y },
      workgroups,
    });
    offset += block;
  }
}
