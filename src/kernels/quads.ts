/** Four channels side by side with a margin of zeros, `shaders/quads.wgsl`: what the kernels for CPU adapters read. */
import type { Operand, Recorder } from "./kernel.js";

/** Zeros around a map. */
export interface Margin {
  readonly top: number;
  readonly left: number;
  /** Rows and columns of the whole, margin included. */
  readonly rows: number;
  readonly columns: number;
}

/** x [N, C, H, W] → [N, ⌈C/4⌉, rows, columns, 4]. */
export function quads(recorder: Recorder, x: Operand, { top, left, rows, columns }: Margin): Operand {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const groups = Math.ceil(C / 4);
  const packed = recorder.scratch(`quads of ${x.name}`, [N, groups, rows, columns, 4]);
  recorder.dispatch({
    shader: "quads",
    params: { C, H, W, groups, rows, columns, top, left },
    bindings: { x, quads: packed },
    workgroups: [Math.ceil(columns / 16), Math.ceil(rows / 4), N * groups],
  });
  return packed;
}
