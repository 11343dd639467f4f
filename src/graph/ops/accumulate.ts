/** Gradient accumulation over micro-batches: a batch of any size on a GPU that holds a few images. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/accumulate.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors, Variable } from "../trace/tensor.js";

const operation: Operation<Tensors<"sum" | "gradient" | "keep">, Tensors<never>, { readonly factor: number }> = {
  name: "accumulate",
  updates: ["sum"],
  outputs({ sum, gradient, keep }) {
    if (gradient.shape.join() !== sum.shape.join())
      throw new ShapeError(
        "accumulate",
        `the gradient for ${sum.name}`,
        `has shape [${gradient.shape}], not [${sum.shape}]`,
      );
    if (keep.dtype !== "f32" || keep.shape.join() !== "1")
      throw new ShapeError("accumulate", keep.name, `is ${keep.dtype} [${keep.shape}], not f32 [1]`);
    return {};
  },
  kernel: kernels.accumulate,
};

/**
 * sum ← (keep ≠ 0 ? sum : 0) + factor · gradient in place, for every gradient with its sum (of its shape). `keep` is an
 * input of shape [1]: 0 in the first micro-batch of a step, which drops what a sum holds, even NaN; 1 after it.
 * Throws `ShapeError`.
 */
export function accumulate(
  sums: readonly Variable[],
  gradients: readonly Tensor[],
  keep: Tensor,
  factor: number,
): void {
  if (sums.length !== gradients.length)
    throw new ShapeError("accumulate", "sums", `holds ${sums.length} tensors for ${gradients.length} gradients`);
  for (const [i, sum] of sums.entries()) record(operation, { sum, gradient: gradients[i] as Tensor, keep }, { factor });
}
