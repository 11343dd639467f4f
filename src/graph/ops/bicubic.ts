/** Bicubic resizing, as PyTorch's interpolate with mode "bicubic" and align_corners false. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/bicubic.js";
import type { Shape } from "../../kernels/kernel.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";
import { resizeRule } from "../trace/window.js";

const NAME = "bicubic";

/**
 * `x` [N,C,H,W] resized to [N,C,OH,OW]: torch.nn.functional.interpolate(x, size, mode="bicubic",
 * align_corners=False), and the same with a scale_factor that gives this size.
 *
 * Cubic convolution with a = −¾ at the position (o + ½)·H/OH − ½, indices held inside; no antialiasing when the size
 * shrinks. Pillow's bicubic, which makes the low-resolution images, is another one (a = −½, antialiased). The result
 * may overshoot the input's range. The gradient is gathered in a fixed order. Throws `ShapeError`.
 */
export function bicubicResize(x: Tensor, size: readonly [number, number]): Tensor {
  return record(operation, { x }, { size }).y;
}

interface Attributes {
  readonly size: readonly [number, number];
}

const operation: Operation<Tensors<"x">, Tensors<"y">, Attributes> = {
  name: NAME,
  outputs: ({ x }, { size }) => ({ y: { shape: outputShape(x, size) } }),
  kernel: kernels.bicubic,
  window: ({ x }, { size }) => resizeRule(x.shape.slice(2), size, 3),
  gradient: ({ inputs: { x }, dys: { y: dy } }) => ({ x: record(gradientOperation, { dy }, { shape: x.shape }).dx }),
};

const gradientOperation: Operation<Tensors<"dy">, Tensors<"dx">, { readonly shape: Shape }> = {
  name: "bicubic_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: kernels.bicubicGradient,
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
