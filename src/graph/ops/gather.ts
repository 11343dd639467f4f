/** Columns picked by index, as PyTorch's gather along the last side with one index for all channels. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/gather.js";
import type { Shape } from "../../kernels/kernel.js";
import { type Operation, recordOne, type Tensor } from "../trace/tensor.js";

const NAME = "gather";

/**
 * y [N,C,J] = x[n, c, index[n, j]] for `x` [N,C,L] and `index` [N,J] (i32): torch.gather(x, 2, index) with the index
 * expanded over the channels. The gradient of `x` sums, in order of j, over all that picked a column; indices may repeat.
 *
 * Every index must lie in [0, L). They are data on the GPU and are not checked: for another one y holds some element of
 * `x`, and no gradient flows. Throws `ShapeError`.
 */
export function gather(x: Tensor, index: Tensor): Tensor {
  return recordOne(operation, [x, index], null);
}

const operation: Operation<null> = {
  name: NAME,
  outputs: ([x, index]) => [{ shape: outputShape(x as Tensor, index as Tensor) }],
  kernel: (recorder, [x, index], [y]) => {
    if (x && index && y) kernels.gather(recorder, x, index, y);
  },
  gradient: ({ inputs: [x, index], dys: [dy], needs }) => [
    x && dy && needs(0) ? recordOne(gradientOperation, [dy, index], { shape: x.shape }) : undefined,
  ],
};

const gradientOperation: Operation<{ shape: Shape }> = {
  name: "gather_gradient",
  outputs: (_, { shape }) => [{ shape }],
  kernel: (recorder, [dy, index], [dx]) => {
    if (dy && index && dx) kernels.gatherGradient(recorder, dy, index, dx);
  },
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
