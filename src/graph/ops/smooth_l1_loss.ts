/** The L1 loss without its kink: what narrow networks begin to learn with where L1 alone kills them (docs/results.md). */
import { ShapeError } from "../../gpu/errors.js";
import type { Tensor } from "../trace/tensor.js";
import { reshape } from "../trace/view.js";
import { abs, add, neg, relu, scale, shift, square, sub } from "./pointwise.js";
import { mean } from "./reduce.js";

/**
 * The mean over all elements of d² / (2·beta) where d = |pred − target| is below `beta`, else of d − beta / 2; a scalar []:
 * PyTorch's `nn.SmoothL1Loss(beta=beta)`. Differentiable in both. Throws `ShapeError` unless the shapes are the same and
 * `beta` is above 0.
 */
export function smoothL1Loss(pred: Tensor, target: Tensor, beta: number): Tensor {
  if (pred.shape.join() !== target.shape.join())
    throw new ShapeError("smooth_l1_loss", target.name, `has shape [${target.shape}], the prediction [${pred.shape}]`);
  if (!(beta > 0)) throw new ShapeError("smooth_l1_loss", "beta", `is ${beta}; a number above 0 is wanted`);
  const distance = abs(sub(pred, target));
  // What is missing to beta makes the straight line a parabola.
  const missing = relu(shift(neg(distance), beta));
  return reshape(shift(mean(add(distance, scale(square(missing), 1 / (2 * beta)))), -beta / 2), []);
}
