/** Mean and standard deviation of planes: the moments of `planes.ts`, and `shaders/mean_std_gradient.wgsl`. */
import type { Operand, Recorder } from "./kernel.js";
import { cutPlanes, moments } from "./shared/planes.js";

/** mean and unbiased std [N, C, 1, 1] of x [N, C, H, W]. */
export function meanStd(recorder: Recorder, x: Operand, mean: Operand, std: Operand): void {
  moments(recorder, x, mean, std, "plane", "STD");
}

export interface MeanStdGradient {
  readonly x: Operand;
  readonly mean: Operand;
  readonly std: Operand;
  readonly dmean: Operand;
  readonly dstd: Operand;
}

/** dx from x, its statistics and their gradients. */
export function meanStdGradient(recorder: Recorder, { std, ...saved }: MeanStdGradient, dx: Operand): void {
  const { constants, params, workgroups } = cutPlanes(saved.x.shape);
  recorder.dispatch({
    shader: "mean_std_gradient",
    constants,
    params,
    bindings: { ...saved, spread: std, dx },
    workgroups,
  });
}
