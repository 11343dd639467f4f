/** One step of an exponential moving average: `shaders/ema.wgsl`. */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";

export interface Ema {
  readonly average: Operand;
  readonly parameter: Operand;
  /** Nothing is written while it is closed. */
  readonly gate?: Operand | undefined;
}

/** average ← decay · average + (1 − decay) · parameter, in place. */
export function ema(recorder: Recorder, { average, parameter, gate }: Ema, decay: number): void {
  const count = elements(parameter.shape);
  recorder.dispatch({
    shader: "ema",
    constants: { GATED: gate !== undefined },
    params: { count, share: 1 - decay },
    bindings: { average, parameter, gate: gate ?? parameter },
    workgroups: flatGrid(count),
  });
}
