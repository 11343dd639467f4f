/** Binary cross-entropy on logits: both sides of the relativistic adversarial loss (section 3.5). */
import { GraphError, type Tensor } from "../trace/tensor.js";
import { reshape } from "../trace/view.js";
import { neg, softplus } from "./pointwise.js";
import { mean } from "./reduce.js";

/**
 * mean log(1 + e⁻ˣ) for label 1, mean log(1 + eˣ) for label 0, a scalar []: PyTorch's `nn.BCEWithLogitsLoss()` against a constant
 * label. Stable for logits of any size. Throws `GraphError` for another label.
 */
export function bceWithLogits(x: Tensor, label: number): Tensor {
  if (label !== 0 && label !== 1) throw new GraphError(`bce_with_logits: the label is ${label}`, "Give 0 or 1");
  return reshape(mean(softplus(label === 1 ? neg(x) : x)), []);
}
