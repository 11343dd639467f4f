/** Padding that repeats the border, as PyTorch's F.pad with mode "replicate". */
import { ShapeError } from "../../gpu/errors.js";
import type { Shape } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/replicate_pad.js";
import { type Operation, recordOne, type Tensor } from "../trace/tensor.js";

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
  return recordOne(operation, [x], { padding });
}

const operation: Operation<Attributes> = {
  name: NAME,
  outputs: ([x], { padding }) => [{ shape: outputShape(x as Tensor, padding) }],
  kernel: (recorder, [x], [y], { padding }) => {
    if (x && y) kernels.replicatePad(recorder, x, y, padding);
  },
  gradient: ({ inputs: [x], attributes: { padding }, dys: [dy] }) => [
    x && dy && recordOne(gradientOperation, [dy], { shape: x.shape, padding }),
  ],
};

const gradientOperation: Operation<Attributes & { shape: Shape }> = {
  name: "replicate_pad_gradient",
  outputs: (_, { shape }) => [{ shape }],
  kernel: (recorder, [dy], [dx], { padding }) => {
    if (dy && dx) kernels.replicatePadGradient(recorder, dy, dx, padding);
  },
};

function outputShape({ shape }: Tensor, padding: kernels.Padding): Shape {
  if (shape.length !== 4) throw new ShapeError(NAME, "x", `has shape [${shape}], not four sides`);
  if (padding.length !== 4 || !padding.every((pixels) => Number.isSafeInteger(pixels) && pixels >= 0))
    throw new ShapeError(NAME, "padding", `is [${padding}]; it must be four whole numbers: left, right, top, bottom`);
  const [N, C, H, W] = shape as [number, number, number, number];
  const [left, right, top, bottom] = padding;
  return [N, C, top + H + bottom, left + W + right];
}
