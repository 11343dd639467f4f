/** The colour of an image without its brightness: what a loss of the colour alone compares (train/objective.ts). */
import { ShapeError } from "../../gpu/errors.js";
import type { Tensor } from "../trace/tensor.js";
import { sub } from "./pointwise.js";
import { mean } from "./reduce.js";

/**
 * x [N, C, H, W] minus each pixel's mean over the channels: the projection onto the colours orthogonal to grey. A change equal
 * in all channels leaves it as it is. Linear and its own adjoint. Throws `ShapeError` unless `x` has 4 dimensions.
 */
export function chroma(x: Tensor): Tensor {
  if (x.shape.length !== 4) throw new ShapeError("chroma", x.name, `has shape [${x.shape}]; expected [N, C, H, W]`);
  return sub(x, mean(x, [1]));
}
