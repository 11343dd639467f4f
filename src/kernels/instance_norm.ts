/** Instance normalisation: `shaders/instance_norm*.wgsl`, on the statistics of `planes.ts`. */
import type { Operand, Recorder } from "./kernel.js";
import { cutPlanes, gradientSums, moments, type Normalised } from "./shared/planes.js";

/** y = (x − mean) / √(variance + eps); writes the mean and the biased variance [N, C, 1, 1] too. */
export function instanceNorm(
  recorder: Recorder,
  x: Operand,
  { y, mean, variance }: { y: Operand; mean: Operand; variance: Operand },
  eps: number,
): void {
  moments(recorder, x, mean, variance, "plane", "VARIANCE");
  const { constants, params, workgroups } = cutPlanes(x.shape);
  recorder.dispatch({
    shader: "instance_norm",
    constants,
    params: { ...params, eps },
    bindings: { x, mean, variance, y },
    workgroups,
  });
}

/** dx from x, its statistics and dy. */
export function instanceNormGradient(recorder: Recorder, saved: Normalised, dx: Operand, eps: number): void {
  const sums = recorder.scratch("sums", saved.mean.shape);
  const products = recorder.scratch("products", saved.mean.shape);
  gradientSums(recorder, saved, sums, products, "plane", eps);
  const { constants, params, workgroups } = cutPlanes(saved.x.shape);
  recorder.dispatch({
    shader: "instance_norm_gradient",
    constants,
    params: { ...params, eps },
    bindings: { ...saved, sums, products, dx },
    workgroups,
  });
}
