/** The sum of gradients over micro-batches: `shaders/accumulate.wgsl`. */
import { elements, flatGrid, type Operands, type Recorder } from "./kernel.js";

/** sum ← (keep ≠ 0 ? sum : 0) + factor · gradient, in place; `keep` is one number. */
export function accumulate(
  recorder: Recorder,
  { sum, gradient, keep }: Operands<"sum" | "gradient" | "keep">,
  _: object,
  { factor }: { readonly factor: number },
): void {
  const count = elements(sum.shape);
  recorder.dispatch({
    shader: "accumulate",
    params: { count, factor },
    bindings: { sum, gradient, keep },
    workgroups: flatGrid(count),
  });
}
