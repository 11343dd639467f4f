/** Mean and standard deviation of planes: the moments of `planes.ts`, and `shaders/mean_std_gradient.wgsl`. */
import type { Operands, Recorder } from "./kernel.js";
import { cutPlanes, moments } from "./shared/planes.js";

/** mean and unbiased std [N, C, 1, 1] of x [N, C, H, W]. */
export function meanStd(recorder: Recorder, { x }: Operands<"x">, { mean, std }: Operands<"mean" | "std">): void {
  moments(recorder, x, { mean, spread: std }, "plane", "STD");
}

/** dx from x, its statistics and their gradients. */
export function meanStdGradient(
  recorder: Recorder,
  { x, mean, std, dmean, dstd }: Operands<"x" | "mean" | "std" | "dmean" | "dstd">,
  { dx }: Operands<"dx">,
): void {
  const { constants, params, workgroups } = cutPlanes(x.shape);
  recorder.dispatch({
    shader: "mean_std_gradient",
    constants,
    params,
    bindings: { x, mean, dmean, dstd, spread: std, dx },
    workgroups,
  });
}
