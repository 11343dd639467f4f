/** Columns picked by index, as PyTorch's gather along the last side with one index for all channels. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/gather.js";
import type { Shape } from "../../kernels/kernel.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

const NAME = "gather";

/**
 * y [N,C,J] = x[n, c, index[n, j]] for `x` [N,C,L] and `index` [N,J] (i32): torch.gather(x, 2, index) with the index
 * expanded over the channels. The gradient of `x` sums, in order of j, over all that picked a column; indices may repeat.
 *
 * Every index must lie in [0, L). They are data on the GPU and are not checked: for another one y holds some element of
 * `x`, and no gradient flows. Throws `ShapeError`.
 */
export function gather(x: Tensor, index: Tensor): Tensor {
  return record(operation, { x, index }).y;
}

const operation: Operation<Tensors<"x" | "index">, Tensors<"y">> = {
  name: NAME,
  outputs: ({ x, index }) => ({ y: { shape: outputShape(x, index) } }),
  kernel: kernels.gather,
  gradient: ({ inputs: { x, index }, dys: { y: dy }, needs }) => ({
    x: needs("x") ? record(gradientOperation, { dy, index }, { shape: x.shape }).dx : undefined,
  }),
};

const gradientOperation: Operation<Tensors<"dy" | "index">, Tensors<"dx">, { readonly shape: Shape }> = {
  name: "gather_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: kernels.gatherGradient,
};

function outputShape(x: Tensor, index: Tensor): Shape {
  if (x.shape.length !== 3) throw new ShapeError(NAME, "x", `has shape [${x.shape}], not [N,C,L]`);
  if (index.dtype !== "i32") throw new ShapeError(NAME, "index", `is ${index.dtype}, not i32`);
  const [N, C] = x.shape as [number, number];
  const [rows, J] = index.shape as [number, number];
  if (index.shape.length !== 2 || rows !== N)
    throw new ShapeError(NAME, "index", `has shape [${index.shape}], not [N,J] with the N of x [${x.shape}]`);
  return [N, C, J];
}
