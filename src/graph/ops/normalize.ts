/** Division by the L2 norm: what turns matrix products into the cosines of MASA's matching (section 3.2). */
import { ShapeError } from "../../gpu/errors.js";
import type { Operand } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/normalize.js";
import { type Operation, recordOne, type Tensor } from "../trace/tensor.js";

const operation: Operation<kernels.NormalizeAttributes> = {
  name: "normalize",
  outputs([x], { dim }) {
    const shape = x?.shape ?? [];
    if (shape[dim] === undefined) throw new ShapeError("normalize", "dim", `names side ${dim} of a tensor [${shape}]`);
    return [{ shape }, { shape: shape.map((side, d) => (d === dim ? 1 : side)) }];
  },
  kernel(recorder, [x], [y, norm], attributes) {
    if (x && y && norm) kernels.normalize(recorder, x, y, norm, attributes);
  },
  gradient({ outputs: [y, norm], dys: [dy], attributes }) {
    return [dy && recordOne(gradientOperation, [y, norm, dy], attributes)];
  },
};

const gradientOperation: Operation<kernels.NormalizeAttributes> = {
  name: "normalize_gradient",
  outputs: ([y]) => [{ shape: (y as Tensor).shape }],
  kernel(recorder, inputs, [dx], attributes) {
    const [y, norm, dy] = inputs as [Operand, Operand, Operand];
    if (dx) kernels.normalizeGradient(recorder, { y, norm, dy, dx }, attributes);
  },
};

/**
 * y = x / max(‖x‖₂, eps), the norm along side `dim`: PyTorch's `F.normalize(x, dim=dim)`. Where the norm is below eps the
 * divisor is a constant to the gradient, so that a zero vector gives 0 and the gradient dy / eps. Throws `ShapeError`.
 */
export function normalize(x: Tensor, dim: number, eps = 1e-12): Tensor {
  return recordOne(operation, [x], { dim, eps });
}
