/** The distance of features in the perceptual loss (section 3.5): the mean squared difference. */
import { ShapeError } from "../../gpu/errors.js";
import type { Tensor } from "../trace/tensor.js";
import { reshape } from "../trace/view.js";
import { square, sub } from "./pointwise.js";
import { mean } from "./reduce.js";

/**
 * mean (pred − target)² over all elements, a scalar []: PyTorch's `nn.MSELoss()`. Differentiable in both. Throws
 * `ShapeError` unless the shapes are the same.
 */
export function mseLoss(pred: Tensor, target: Tensor): Tensor {
  if (pred.shape.join() !== target.shape.join())
    throw new ShapeError("mse_loss", target.name, `has shape [${target.shape}], the prediction [${pred.shape}]`);
  return reshape(mean(square(sub(pred, target))), []);
}
