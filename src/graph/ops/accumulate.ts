/** Gradients of a batch as the sum over its micro-batches: a batch of any size on a GPU that holds a few images. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/accumulate.js";
import { type Operation, record, type Tensor, type Variable } from "../trace/tensor.js";

const operation: Operation<{ factor: number }> = {
  name: "accumulate",
  outputs([sum, gradient, keep]) {
    if (gradient?.shape.join() !== sum?.shape.join())
      throw new ShapeError(
        "accumulate",
        `the gradient for ${sum?.name}`,
        `has shape [${gradient?.shape}], not [${sum?.shape}]`,
      );
    if (keep?.dtype !== "f32" || keep.shape.join() !== "1")
      throw new ShapeError("accumulate", keep?.name ?? "keep", `is ${keep?.dtype} [${keep?.shape}], not f32 [1]`);
    return [];
  },
  kernel(recorder, [sum, gradient, keep], _, { factor }) {
    if (sum && gradient && keep) kernels.accumulate(recorder, { sum, gradient, keep }, factor);
  },
  updates: ([sum]) => [sum as Variable],
};

/**
 * sum ← (keep ≠ 0 ? sum : 0) + factor · gradient in place, for every gradient with its sum (of its shape). `keep` is an
 * input of shape [1]: 0 in the first micro-batch of a step, where what a sum holds, even NaN, is dropped; 1 after it.
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
  for (const [i, gradient] of gradients.entries()) record(operation, [sums[i], gradient, keep], { factor });
}
