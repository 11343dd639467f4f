/** Sides of a tensor in another order, as PyTorch's permute followed by contiguous. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/permute.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, TensorSpec, Tensors } from "../trace/tensor.js";

const NAME = "permute";

interface Attributes {
  readonly order: readonly number[];
}

/**
 * `x` with its sides in another order, as a copy: side d of the result is side `order[d]` of `x`. torch.permute(x, order)
 * and contiguous(). Of any type, up to six sides. The gradient is the inverse permutation. Throws `ShapeError`.
 */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  return record(operation, { x }, { order }).y;
}

const operation: Operation<Tensors<"x">, Tensors<"y">, Attributes> = {
  name: NAME,
  outputs: ({ x }, { order }) => ({ y: permuted(x, order) }),
  kernel: kernels.permute,
  gradient({ attributes: { order }, dys: { y: dy } }) {
    const inverse = order.map((_, d) => order.indexOf(d));
    return { x: permute(dy, inverse) };
  },
};

function permuted({ shape, dtype }: Tensor, order: readonly number[]): TensorSpec {
  if (shape.length > kernels.MAX_RANK)
    throw new ShapeError(NAME, "x", `has shape [${shape}], more than ${kernels.MAX_RANK} sides`);
  if (order.length !== shape.length || shape.some((_, d) => !order.includes(d)))
    throw new ShapeError(NAME, "order", `is [${order}]; it must name each of the ${shape.length} sides of x once`);
  return { shape: order.map((d) => shape[d] as number), dtype };
}
