/** Windows of an image as columns, as PyTorch's unfold (im2col). Its adjoint, and so its gradient, is fold. */
import { ShapeError } from "../../gpu/errors.js";
import { fold } from "../../kernels/fold.js";
import { nchw, type Shape } from "../../kernels/kernel.js";
import { type WindowOptions, type Windows, windowsOf } from "../../kernels/shared/windows.js";
import * as kernels from "../../kernels/unfold.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

const NAME = "unfold";

interface Attributes {
  readonly windows: Windows;
}

/**
 * The windows of `x` [N,C,H,W] as columns [N,C·kh·kw,L]: torch.nn.functional.unfold. A column lists the channels, in
 * each its rows, in each its pixels; the L = rows·columns windows follow each other row by row, with
 * rows = ⌊(H + 2·padding − dilation·(kh − 1) − 1) / stride⌋ + 1 and columns likewise. Throws `ShapeError`.
 */
export function unfold(x: Tensor, options: WindowOptions): Tensor {
  if (x.shape.length !== 4) throw new ShapeError(NAME, "x", `has shape [${x.shape}], not four sides`);
  const [, , H, W] = nchw(x);
  return record(operation, { x }, { windows: windowsOf(NAME, [H, W], options) }).y;
}

const operation: Operation<Tensors<"x">, Tensors<"y">, Attributes> = {
  name: NAME,
  outputs: ({ x }, { windows: { kernel, count } }) => {
    const [N, C] = nchw(x);
    return { y: { shape: [N, C * kernel[0] * kernel[1], count[0] * count[1]] } };
  },
  kernel: kernels.unfold,
  gradient: ({ inputs: { x }, attributes: { windows }, dys: { y: dy } }) => ({
    x: record(gradientOperation, { dy }, { shape: x.shape, windows }).dx,
  }),
};

const gradientOperation: Operation<Tensors<"dy">, Tensors<"dx">, Attributes & { readonly shape: Shape }> = {
  name: "unfold_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: (recorder, { dy }, { dx }, attributes) => fold(recorder, { x: dy }, { y: dx }, attributes),
};
