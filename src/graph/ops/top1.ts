/** The largest element of every row, as PyTorch's topk with k = 1. */
import { ShapeError } from "../../gpu/errors.js";
import type { Shape } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/top1.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

const NAME = "top1";

/**
 * The largest element along the last side of `x` [..., n] and where it is: `values` [..., 1] (f32) and `indices`
 * [..., 1] (i32, in [0, n)). torch.topk(x, 1), but that the lowest index wins a tie always. The gradient of the values
 * goes to the winner alone; indices have none. Throws `ShapeError`.
 */
export function top1(x: Tensor): { values: Tensor; indices: Tensor } {
  return record(operation, { x });
}

const operation: Operation<Tensors<"x">, Tensors<"values" | "indices">> = {
  name: NAME,
  outputs: ({ x: { shape } }) => {
    if (shape.length === 0) throw new ShapeError(NAME, "x", "has no side to search along");
    const best = [...shape.slice(0, -1), 1];
    return { values: { shape: best }, indices: { shape: best, dtype: "i32" } };
  },
  kernel: kernels.top1,
  gradient: ({ inputs: { x }, outputs: { indices }, dys: { values: dy } }) => ({
    x: dy && record(gradientOperation, { dy, indices }, { shape: x.shape }).dx,
  }),
};

const gradientOperation: Operation<Tensors<"dy" | "indices">, Tensors<"dx">, { readonly shape: Shape }> = {
  name: "top1_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: kernels.top1Gradient,
};
