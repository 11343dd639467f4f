/** The reconstruction loss of MASA (section 3.5): the mean absolute difference. */
import { ShapeError } from "../../gpu/errors.js";
import type { Tensor } from "../trace/tensor.js";
import { reshape } from "../trace/view.js";
import { abs, sub } from "./pointwise.js";
import { mean } from "./reduce.js";

/**
 * mean |pred − target| over all elements, a scalar []: PyTorch's `nn.L1Loss()`. Differentiable in both; the gradient is
 * sign(pred − target) / count, 0 where they are equal. Throws `ShapeError` unless the shapes are the same.
 */
export function l1Loss(pred: Tensor, target: Tensor): Tensor {
  if (pred.shape.join() !== target.shape.join())
    throw new ShapeError("l1_loss", target.name, `has shape [${target.shape}], the prediction [${pred.shape}]`);
  return reshape(mean(abs(sub(pred, target))), []);
}
