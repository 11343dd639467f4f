/** Whether a step may be taken, and with which share of its gradients: `shaders/update_gate.wgsl`. */
import { HALF, type Operands, type Recorder } from "./kernel.js";

/** What `updateGate` makes of the summary of `gradientNorm`. */
export interface UpdateGateOptions {
  /** How many rows of the summary, from the first, make up the norm. */
  readonly rows: number;
  /** The norm that gradients are clipped to; absent: they are not. */
  readonly maxNorm?: number | undefined;
}

/** gate [3] = (open, scale, norm) from `summary` [rows, 2] and perhaps the gate `before`. */
export function updateGate(
  recorder: Recorder,
  { summary, before }: Operands<"summary", "before">,
  { gate }: Operands<"gate">,
  { rows, maxNorm }: UpdateGateOptions,
): void {
  recorder.dispatch({
    shader: "update_gate",
    constants: { CLIP: maxNorm !== undefined, BEFORE: before !== undefined },
    params: { rows: summary.shape[0] as number, norm_rows: rows, max_norm: maxNorm ?? 0, half: HALF },
    bindings: { summary, before: before ?? summary, gate },
    workgroups: [1, 1, 1],
  });
}
