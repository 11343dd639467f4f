/** Columns summed into an image, as PyTorch's fold (col2im). Its adjoint, and so its gradient, is unfold. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/fold.js";
import type { Shape } from "../../kernels/kernel.js";
import { type WindowOptions, type Windows, windowsOf } from "../../kernels/shared/windows.js";
import { unfold } from "../../kernels/unfold.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

const NAME = "fold";

interface Attributes {
  readonly shape: Shape;
  readonly windows: Windows;
}

/**
 * The image [N,C,H,W] of `size` = [H,W] whose pixels sum the overlapping windows in the columns `x` [N,C·kh·kw,L]:
 * torch.nn.functional.fold. Columns are laid out as `unfold` makes them. Sums run in a fixed order. Throws `ShapeError`.
 */
export function fold(x: Tensor, size: readonly [number, number], options: WindowOptions): Tensor {
  if (size.length !== 2 || !size.every((side) => Number.isSafeInteger(side) && side > 0))
    throw new ShapeError(NAME, "size", `is [${size}]; it must be two positive whole numbers, height and width`);
  const windows = windowsOf(NAME, size, options);
  const [N, lines, L] = x.shape as [number, number, number];
  const taps = windows.kernel[0] * windows.kernel[1];
  const count = windows.count[0] * windows.count[1];
  if (x.shape.length !== 3 || lines % taps !== 0 || L !== count)
    throw new ShapeError(NAME, "x", `has shape [${x.shape}]; an image [${size}] has columns [N, C·${taps}, ${count}]`);
  return record(operation, { x }, { shape: [N, lines / taps, ...size], windows }).y;
}

const operation: Operation<Tensors<"x">, Tensors<"y">, Attributes> = {
  name: NAME,
  outputs: (_, { shape }) => ({ y: { shape } }),
  kernel: kernels.fold,
  gradient: ({ inputs: { x }, attributes: { windows }, dys: { y: dy } }) => ({
    x: record(gradientOperation, { dy }, { shape: x.shape, windows }).dx,
  }),
};

const gradientOperation: Operation<Tensors<"dy">, Tensors<"dx">, Attributes> = {
  name: "fold_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: (recorder, { dy }, { dx }, attributes) => unfold(recorder, { x: dy }, { y: dx }, attributes),
};
