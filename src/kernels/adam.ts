/** One step of Adam on one parameter: `shaders/adam.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

export interface Adam {
  readonly parameter: Operand;
  readonly gradient: Operand;
  readonly expAvg: Operand;
  readonly expAvgSq: Operand;
  /** The seven scalars that the shader names. */
  readonly hyper: Operand;
  /** Nothing is written while it is closed; its scale multiplies the gradient. */
  readonly gate?: Operand | undefined;
}

/** Updates `parameter` and both moments in place. */
export function adam(recorder: Recorder, { parameter, gradient, expAvg, expAvgSq, hyper, gate }: Adam): void {
  const count = elements(parameter.shape);
  recorder.dispatch({
    shader: "adam",
    constants: { GATED: gate !== undefined },
    params: { count },
    bindings: { gradient, hyper, gate: gate ?? hyper, parameter, exp_avg: expAvg, exp_avg_sq: expAvgSq },
    workgroups: flatGrid(count),
  });
}
