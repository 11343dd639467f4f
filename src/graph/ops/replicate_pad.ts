/** Padding that repeats the border, as PyTorch's F.pad with mode "replicate". */
import { ShapeError } from "../../gpu/errors.js";
import type { Shape } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/replicate_pad.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

const NAME = "replicate_pad";

interface Attributes {
  readonly padding: kernels.Padding;
}

/**
 * `x` [N,C,H,W] with its border pixels repeated outwards: torch.nn.functional.pad(x, padding, mode="replicate"), with
 * `padding` = [left, right, top, bottom] in pixels. The gradient of a border pixel is the sum over its repetitions.
 * Throws `ShapeError`.
 */
export function replicatePad(x: Tensor, padding: kernels.Padding): Tensor {
  return record(operation, { x }, { padding }).y;
}

const operation: Operation<Tensors<"x">, Tensors<"y">, Attributes> = {
  name: NAME,
  outputs: ({ x }, { padding }) => ({ y: { shape: outputShape(x, padding) } }),
  kernel: kernels.replicatePad,
  gradient: ({ inputs: { x }, attributes: { padding }, dys: { y: dy } }) => ({
    x: record(gradientOperation, { dy }, { shape: x.shape, padding }).dx,
  }),
};

const gradientOperation: Operation<Tensors<"dy">, Tensors<"dx">, Attributes & { readonly shape: Shape }> = {
  name: "replicate_pad_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: kernels.replicatePadGradient,
};

function outputShape({ shape }: Tensor, padding: kernels.Padding): Shape {
  if (shape.length !== 4) throw new ShapeError(NAME, "x", `has shape [${shape}], not four sides`);
  if (padding.length !== 4 || !padding.every((pixels) => Number.isSafeInteger(pixels) && pixels >= 0))
    throw new ShapeError(NAME, "padding", `is [${padding}]; it must be four whole numbers: left, right, top, bottom`);
  const [N, C, H, W] = shape as [number, number, number, number];
  const [left, right, top, bottom] = padding;
  return [N, C, top + H + bottom, left + W + right];
}
