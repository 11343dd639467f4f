/** One step of Adam on one parameter: `shaders/adam.wgsl`. */
import { elements, flatGrid, type Operands, type Recorder } from "./kernel.js";

/**
 * Updates `parameter` and both moments in place. `hyper` holds the scalars that the shader names. While `gate` is closed
 * nothing is written; its scale multiplies the gradient. `decays` applies the weight decay among the scalars.
 */
export function adam(
  recorder: Recorder,
  inputs: Operands<"parameter" | "gradient" | "expAvg" | "expAvgSq" | "hyper", "gate">,
  decays: boolean,
): void {
  const { parameter, gradient, expAvg, expAvgSq, hyper, gate } = inputs;
  const count = elements(parameter.shape);
  recorder.dispatch({
    shader: "adam",
    constants: { GATED: gate !== undefined, DECAYS: decays },
    params: { count },
    bindings: { gradient, hyper, gate: gate ?? hyper, parameter, exp_avg: expAvg, exp_avg_sq: expAvgSq },
    workgroups: flatGrid(count),
  });
}
