/** 2 × 2 maximum pooling, between the stages of VGG. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/max_pool2d.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

const operation: Operation<Tensors<"x">, Tensors<"y">> = {
  name: "max_pool2d",
  outputs({ x: { name, shape } }) {
    const [N = 0, C = 0, H = 0, W = 0] = shape;
    if (shape.length !== 4) throw new ShapeError("max_pool2d", name, `has shape [${shape}], not [N, C, H, W]`);
    if (H < 2 || W < 2)
      throw new ShapeError("max_pool2d", name, `has shape [${shape}]; both H and W must be 2 or more`);
    return { y: { shape: [N, C, Math.floor(H / 2), Math.floor(W / 2)] } };
  },
  kernel: kernels.maxPool2d,
  gradient: ({ inputs: { x }, dys: { y: dy } }) => ({ x: record(gradientOperation, { x, dy }).dx }),
};

const gradientOperation: Operation<Tensors<"x" | "dy">, Tensors<"dx">> = {
  name: "max_pool2d_gradient",
  outputs: ({ x: { shape } }) => ({ dx: { shape } }),
  kernel: kernels.maxPool2dGradient,
};

/**
 * The maximum of every 2 × 2 square: x [N, C, H, W] → [N, C, ⌊H/2⌋, ⌊W/2⌋], PyTorch's `F.max_pool2d(x, 2)`. An odd last
 * row or column takes no part. The gradient goes to the first maximum in row-major order. Throws `ShapeError`.
 */
export function maxPool2d(x: Tensor): Tensor {
  return record(operation, { x }).y;
}
