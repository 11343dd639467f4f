/** What is known of gradients before they are used: their sizes, and which of them are not finite. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/gradient_norm.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors, Variable } from "../trace/tensor.js";

const operation: Operation<Tensors<"gradient" | "summary">, Tensors<never>, { readonly row: number }> = {
  name: "gradient_norm",
  updates: ["summary"],
  outputs({ gradient }) {
    if (gradient.dtype !== "f32") throw new ShapeError("gradient_norm", gradient.name, `is ${gradient.dtype}, not f32`);
    return {};
  },
  kernel: kernels.gradientNorm,
};

/**
 * Writes row i of `summary` [gradients.length, 2] for gradient i (f32, any shape) in place: (Σ g², 1 if an element is
 * NaN or infinite, else 0). The second is a test of bits, so that Σ g² may overflow without being taken for a fault.
 * Losses may follow the gradients; `updateGate` then checks them as well. Throws `ShapeError`.
 */
export function gradientNorm(gradients: readonly Tensor[], summary: Variable): void {
  if (summary.shape.join() !== `${gradients.length},2`)
    throw new ShapeError(
      "gradient_norm",
      summary.name,
      `has shape [${summary.shape}], not [${gradients.length}, 2]: a row for each gradient`,
    );
  for (const [row, gradient] of gradients.entries()) record(operation, { gradient, summary }, { row });
}
