/** Division by the L2 norm: what turns matrix products into the cosines of MASA's matching (section 3.2). */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/normalize.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

const operation: Operation<Tensors<"x">, Tensors<"y" | "norm">, kernels.NormalizeAttributes> = {
  name: "normalize",
  outputs({ x: { shape } }, { dim }) {
    if (shape[dim] === undefined) throw new ShapeError("normalize", "dim", `names side ${dim} of a tensor [${shape}]`);
    return { y: { shape }, norm: { shape: shape.map((side, d) => (d === dim ? 1 : side)) } };
  },
  kernel: kernels.normalize,
  gradient: ({ outputs: { y, norm }, dys: { y: dy }, attributes }) => ({
    x: dy && record(gradientOperation, { y, norm, dy }, attributes).dx,
  }),
};

const gradientOperation: Operation<Tensors<"y" | "norm" | "dy">, Tensors<"dx">, kernels.NormalizeAttributes> = {
  name: "normalize_gradient",
  outputs: ({ y: { shape } }) => ({ dx: { shape } }),
  kernel: kernels.normalizeGradient,
};

/**
 * y = x / max(‖x‖₂, eps), the norm along side `dim`: PyTorch's `F.normalize(x, dim=dim)`. Where the norm is below eps the
 * divisor is a constant to the gradient, so that a zero vector gives 0 and the gradient dy / eps. Throws `ShapeError`.
 */
export function normalize(x: Tensor, dim: number, eps = 1e-12): Tensor {
  return record(operation, { x }, { dim, eps }).y;
}
