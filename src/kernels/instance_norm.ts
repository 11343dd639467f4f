/** Instance normalisation: `shaders/instance_norm*.wgsl`, on the statistics of `planes.ts`. */
import type { Operands, Recorder } from "./kernel.js";
import { cutPlanes, gradientSums, moments, type Normalised } from "./shared/planes.js";

interface Attributes {
  readonly eps: number;
}

/** y = (x − mean) / √(variance + eps); writes the mean and the biased variance [N, C, 1, 1] too. */
export function instanceNorm(
  recorder: Recorder,
  { x }: Operands<"x">,
  { y, mean, variance }: Operands<"y" | "mean" | "variance">,
  { eps }: Attributes,
): void {
  moments(recorder, x, { mean, spread: variance }, "plane", "VARIANCE");
  standardize(recorder, { x, mean, variance }, { y }, { eps });
}

/** y = (x − mean) / √(variance + eps) with statistics given. */
export function standardize(
  recorder: Recorder,
  { x, mean, variance }: Operands<"x" | "mean" | "variance">,
  { y }: Operands<"y">,
  { eps }: Attributes,
): void {
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
export function instanceNormGradient(
  recorder: Recorder,
  { x, mean, variance, dy }: Normalised,
  { dx }: Operands<"dx">,
  { eps }: Attributes,
): void {
  const sums = recorder.scratch("sums", mean.shape);
  const products = recorder.scratch("products", mean.shape);
  gradientSums(recorder, { x, mean, variance, dy }, { sums, products }, "plane", eps);
  const { constants, params, workgroups } = cutPlanes(x.shape);
  recorder.dispatch({
    shader: "instance_norm_gradient",
    constants,
    params: { ...params, eps },
    bindings: { x, mean, variance, dy, sums, products, dx },
    workgroups,
  });
}
