/** From a block's coarse match to the corner of the window that it searches finely (MASA-SR, section 3.2). */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/window_origin.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";

/** The windows of `windowOrigin`, in pixels of the downscaled reference. */
export interface WindowOriginOptions {
  /** Sides of the downscaled reference: [Hr, Wr]. */
  readonly refDown: readonly [number, number];
  /** Sides of a window, rim included. */
  readonly window: readonly [number, number];
}

/** Corners of windows in the downscaled reference, i32 [N, blocks]; below 0 where a window is larger than it. */
export interface WindowOrigins {
  readonly originX: Tensor;
  readonly originY: Tensor;
}

/** The windows centred on the positions `index` (i32 [N, blocks], row by row), moved inside. Throws `ShapeError`. */
export function windowOrigin(index: Tensor, options: WindowOriginOptions): WindowOrigins {
  return record(operation, { index }, options);
}

const operation: Operation<Tensors<"index">, Tensors<"originX" | "originY">, WindowOriginOptions> = {
  name: "window_origin",
  outputs: ({ index: { dtype, shape, name } }, { refDown, window }) => {
    if (dtype !== "i32" || shape.length !== 2)
      throw new ShapeError("window_origin", name, `is ${dtype} [${shape}]; i32 [N, blocks] is wanted`);
    if (window.some((side, axis) => side > 2 * (refDown[axis] as number)))
      throw new ShapeError("window_origin", "window", `[${window}] is more than twice the reference [${refDown}]`);
    return { originX: { shape, dtype: "i32" }, originY: { shape, dtype: "i32" } };
  },
  kernel: kernels.windowOrigin,
};
