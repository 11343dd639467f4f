/** Windows cut out of a feature map at corners that are data: PyTorch's x[n, :, rows, columns] for many windows. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/crop_windows.js";
import { nchw, type Shape } from "../../kernels/kernel.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

/** The windows that `cropWindows` cuts. */
export interface CropWindowsOptions {
  /** Sides of a window in units of `scale` pixels. */
  readonly height: number;
  readonly width: number;
  /** Pixels of `x` to a unit of the origins and of the window's sides; default 1. */
  readonly scale?: number;
}

type Inputs = Tensors<"x" | "originX" | "originY">;

const NAME = "crop_windows";

/**
 * `x` [N,C,H,W] → [N·blocks, C, scale·height, scale·width], window b of image n from (scale·originY[n,b], scale·originX[n,b]).
 *
 * The origins are i32 [N, blocks]. As in Python, a row or column below 0 counts from the end, so that a window may wrap
 * around; windows must not reach beyond the last row or column. The gradient adds overlapping windows in block order.
 * Throws `ShapeError`.
 */
export function cropWindows(x: Tensor, originX: Tensor, originY: Tensor, options: CropWindowsOptions): Tensor {
  return record(operation, { x, originX, originY }, { scale: 1, ...options }).y;
}

type Attributes = Required<CropWindowsOptions>;

const operation: Operation<Inputs, Tensors<"y">, Attributes> = {
  name: NAME,
  outputs: (inputs, attributes) => ({ y: { shape: outputShape(inputs, attributes) } }),
  kernel: kernels.cropWindows,
  gradient: ({ inputs: { x, originX, originY }, attributes: { scale }, dys: { y: dy } }) => ({
    x: record(gradientOperation, { dy, originX, originY }, { shape: x.shape, scale }).dx,
  }),
};

const gradientOperation: Operation<
  Tensors<"dy" | "originX" | "originY">,
  Tensors<"dx">,
  { readonly shape: Shape; readonly scale: number }
> = {
  name: "crop_windows_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: kernels.cropWindowsGradient,
};

function outputShape({ x, originX, originY }: Inputs, { height, width, scale }: Attributes): Shape {
  if (x.shape.length !== 4) throw new ShapeError(NAME, x.name, `has shape [${x.shape}]; [N, C, H, W] is wanted`);
  const [N, C, H, W] = nchw(x);
  for (const origin of [originX, originY]) {
    if (origin.dtype !== "i32" || origin.shape.length !== 2 || origin.shape[0] !== N)
      throw new ShapeError(NAME, origin.name, `is ${origin.dtype} [${origin.shape}]; i32 [${N}, blocks] is wanted`);
  }
  if (originX.shape.join() !== originY.shape.join())
    throw new ShapeError(NAME, "originY", `has shape [${originY.shape}], originX has [${originX.shape}]`);
  for (const [name, side, length] of [
    ["height", height, H],
    ["width", width, W],
  ] as const) {
    if (!Number.isInteger(scale * side) || side < 1 || scale * side > 2 * length)
      throw new ShapeError(NAME, name, `is ${scale}·${side}; 1 to twice the map's ${length} is possible`);
  }
  return [N * (originX.shape[1] as number), C, scale * height, scale * width];
}
