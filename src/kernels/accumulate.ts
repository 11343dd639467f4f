/** The sum of gradients over micro-batches: `shaders/accumulate.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

export interface Accumulate {
  readonly sum: Operand;
  readonly gradient: Operand;
  /** One number: 0 to begin anew. */
  readonly keep: Operand;
}

/** sum ← (keep ≠ 0 ? sum : 0) + factor · gradient, in place. */
export function accumulate(recorder: Recorder, { sum, gradient, keep }: Accumulate, factor: number): void {
  const count = elements(sum.shape);
  recorder.dispatch({
    shader: "accumulate",
    params: { count, factor },
    bindings: { sum, gradient, keep },
    workgroups: flatGrid(count),
  });
}
