/** Bilinear resizing, as PyTorch's interpolate with mode "bilinear" and align_corners false. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/bilinear.js";
import type { Shape } from "../../kernels/kernel.js";
import { type Operation, recordOne, type Tensor } from "../trace/tensor.js";

const NAME = "bilinear";

/**
 * `x` [N,C,H,W] resized to [N,C,OH,OW]: torch.nn.functional.interpolate(x, size, mode="bilinear",
 * align_corners=False), and the same with a scale_factor that gives this size.
 *
 * Output o reads the position (o + ½)·H/OH − ½, not below 0, between its two neighbours; nothing is averaged when the
 * size shrinks. The gradient is gathered in a fixed order. Throws `ShapeError`.
 */
export function bilinearResize(x: Tensor, size: readonly [number, number]): Tensor {
  return recordOne(operation, [x], { size });
}

interface Attributes {
  readonly size: readonly [number, number];
}

const operation: Operation<Attributes> = {
  name: NAME,
  halves: { inputs: [0], outputs: [0] },
  outputs: ([x], { size }) => [{ shape: outputShape(x as Tensor, size) }],
  kernel: (recorder, [x], [y]) => {
    if (x && y) kernels.bilinear(recorder, x, y);
  },
  gradient: ({ inputs: [x], dys: [dy] }) => [x && dy && recordOne(gradientOperation, [dy], { shape: x.shape })],
};

const gradientOperation: Operation<{ shape: Shape }> = {
  name: "bilinear_gradient",
  outputs: (_, { shape }) => [{ shape }],
  kernel: (recorder, [dy], [dx]) => {
    if (dy && dx) kernels.bilinearGradient(recorder, dy, dx);
  },
};

function outputShape({ shape }: Tensor, size: readonly [number, number]): Shape {
  const [N, C, H, W] = shape as [number, number, number, number];
  if (shape.length !== 4) throw new ShapeError(NAME, "x", `has shape [${shape}], not four sides`);
  if (size.length !== 2 || !size.every((side) => Number.isSafeInteger(side) && side > 0))
    throw new ShapeError(NAME, "size", `is [${size}]; it must be two positive whole numbers, height and width`);
  // Positions are counted in 32 bits, in units of half an output pixel.
  if (H * size[0] > 2 ** 30 || W * size[1] > 2 ** 30)
    throw new ShapeError(NAME, "size", `[${size}] times the input's [${H},${W}] exceeds 2³⁰ along a side`);
  return [N, C, ...size];
}
