/** The largest element of every row, as PyTorch's topk with k = 1. */
import { ShapeError } from "../../gpu/errors.js";
import type { Shape } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/top1.js";
import { type Operation, record, recordOne, type Tensor } from "../trace/tensor.js";

const NAME = "top1";

/**
 * The largest element along the last side of `x` [..., n] and where it is: `values` [..., 1] (f32) and `indices`
 * [..., 1] (i32, in [0, n)). torch.topk(x, 1), but that the lowest index wins a tie always. The gradient of the values
 * goes to the winner alone; indices have none. Throws `ShapeError`.
 */
export function top1(x: Tensor): { values: Tensor; indices: Tensor } {
  const [values, indices] = record(operation, [x], null) as [Tensor, Tensor];
  return { values, indices };
}

const operation: Operation<null> = {
  name: NAME,
  outputs: ([x]) => {
    const { shape } = x as Tensor;
    if (shape.length === 0) throw new ShapeError(NAME, "x", "has no side to search along");
    const best = [...shape.slice(0, -1), 1];
    return [{ shape: best }, { shape: best, dtype: "i32" }];
  },
  kernel: (recorder, [x], [values, indices]) => {
    if (x && values && indices) kernels.top1(recorder, x, values, indices);
  },
  gradient: ({ inputs: [x], outputs: [, indices], dys: [dy] }) => [
    x && dy && recordOne(gradientOperation, [dy, indices], { shape: x.shape }),
  ],
};

const gradientOperation: Operation<{ shape: Shape }> = {
  name: "top1_gradient",
  outputs: (_, { shape }) => [{ shape }],
  kernel: (recorder, [dy, indices], [dx]) => {
    if (dy && indices && dx) kernels.top1Gradient(recorder, dy, indices, dx);
  },
};
