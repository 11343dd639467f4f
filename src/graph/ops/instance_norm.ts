/** Instance normalisation (Ulyanov, Vedaldi, Lempitsky 2016) without affine parameters, as MASA's adaptation uses it. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/instance_norm.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";
import { SAME_PLACE } from "../trace/window.js";
import { blockMoments, combineMoments } from "./moments.js";

interface Attributes {
  readonly eps: number;
}

const operation: Operation<Tensors<"x">, Tensors<"y" | "mean" | "variance">, Attributes> = {
  name: "instance_norm",
  f16: { inputs: ["x"], outputs: ["y"] },
  outputs({ x: { shape } }) {
    const [N = 0, C = 0, ...plane] = shape;
    if (plane.length !== 2) throw new ShapeError("instance_norm", "x", `has shape [${shape}], not [N, C, H, W]`);
    return { y: { shape }, mean: { shape: [N, C, 1, 1] }, variance: { shape: [N, C, 1, 1] } };
  },
  kernel: kernels.instanceNorm,
  decompose({ x }, attributes) {
    const { mean, spread: variance } = combineMoments(blockMoments(x), x.shape, "VARIANCE");
    return { y: record(standardizeOperation, { x, mean, variance }, attributes).y, mean, variance };
  },
  gradient({ inputs: { x }, outputs: { mean, variance }, dys: { y: dy }, attributes }) {
    return { x: dy && record(gradientOperation, { x, mean, variance, dy }, attributes).dx };
  },
};

/** The last part of the operation, with statistics given. */
const standardizeOperation: Operation<Tensors<"x" | "mean" | "variance">, Tensors<"y">, Attributes> = {
  name: "standardize",
  f16: { inputs: ["x"], outputs: ["y"] },
  outputs: ({ x: { shape } }) => ({ y: { shape } }),
  kernel: kernels.standardize,
  window: () => ({ maps: { x: SAME_PLACE } }),
};

const gradientOperation: Operation<Tensors<"x" | "mean" | "variance" | "dy">, Tensors<"dx">, Attributes> = {
  name: "instance_norm_gradient",
  outputs: ({ x: { shape } }) => ({ dx: { shape } }),
  kernel: kernels.instanceNormGradient,
};

/**
 * y = (x − mean) / √(variance + eps), with the mean and the biased variance over each plane H × W of x [N, C, H, W]:
 * PyTorch's `nn.InstanceNorm2d(C, affine=False)`. A constant plane gives 0 and the gradient (dy − mean(dy)) / √eps.
 */
export function instanceNorm(x: Tensor, eps = 1e-5): Tensor {
  return record(operation, { x }, { eps }).y;
}
