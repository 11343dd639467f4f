/** One step of an exponential moving average: `shaders/ema.wgsl`. */
import { elements, flatGrid, type Operands, type Recorder } from "./kernel.js";

/** average ← decay · average + (1 − decay) · parameter, in place; nothing while `gate` is closed. */
export function ema(
  recorder: Recorder,
  { average, parameter, gate }: Operands<"average" | "parameter", "gate">,
  _: object,
  { decay }: { readonly decay: number },
): void {
  const count = elements(parameter.shape);
  recorder.dispatch({
    shader: "ema",
    constants: { GATED: gate !== undefined },
    params: { count, share: 1 - decay },
    bindings: { average, parameter, gate: gate ?? parameter },
    workgroups: flatGrid(count),
  });
}
