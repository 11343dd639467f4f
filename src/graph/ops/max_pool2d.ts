/** 2 × 2 maximum pooling, between the stages of VGG. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/max_pool2d.js";
import { type Operation, recordOne, type Tensor } from "../trace/tensor.js";

const operation: Operation<null> = {
  name: "max_pool2d",
  outputs([x]) {
    const { name, shape } = x as Tensor;
    const [N = 0, C = 0, H = 0, W = 0] = shape;
    if (shape.length !== 4) throw new ShapeError("max_pool2d", name, `has shape [${shape}], not [N, C, H, W]`);
    if (H < 2 || W < 2)
      throw new ShapeError("max_pool2d", name, `has shape [${shape}]; both H and W must be 2 or more`);
    return [{ shape: [N, C, Math.floor(H / 2), Math.floor(W / 2)] }];
  },
  kernel(recorder, [x], [y]) {
    if (x && y) kernels.maxPool2d(recorder, x, y);
  },
  gradient: ({ inputs: [x], dys: [dy] }) => [dy && recordOne(gradientOperation, [x, dy], null)],
};

const gradientOperation: Operation<null> = {
  name: "max_pool2d_gradient",
  outputs: ([x]) => [{ shape: (x as Tensor).shape }],
  kernel(recorder, [x, dy], [dx]) {
    if (x && dy && dx) kernels.maxPool2dGradient(recorder, x, dy, dx);
  },
};

/**
 * The maximum of every 2 × 2 square: x [N, C, H, W] → [N, C, ⌊H/2⌋, ⌊W/2⌋], PyTorch's `F.max_pool2d(x, 2)`. An odd last
 * row or column takes no part. The gradient goes to the first maximum in row-major order. Throws `ShapeError`.
 */
export function maxPool2d(x: Tensor): Tensor {
  return recordOne(operation, [x], null);
}
