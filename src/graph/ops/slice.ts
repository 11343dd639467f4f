/** A run of one side of a tensor, as PyTorch's narrow. */
import { ShapeError } from "../../gpu/errors.js";
import type { Shape } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/slice.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, TensorSpec, Tensors } from "../trace/tensor.js";

const NAME = "slice";

interface Attributes {
  readonly dim: number;
  readonly start: number;
  readonly end: number;
}

/**
 * `x` from `start` up to, not including, `end` along side `dim`: torch.narrow(x, dim, start, end − start), as a copy.
 * Of any type. The gradient is dy in its place and 0 around it. Throws `ShapeError`.
 */
export function slice(x: Tensor, dim: number, start: number, end: number): Tensor {
  return record(operation, { x }, { dim, start, end }).y;
}

const operation: Operation<Tensors<"x">, Tensors<"y">, Attributes> = {
  name: NAME,
  outputs: ({ x }, attributes) => ({ y: run(x, attributes) }),
  kernel: kernels.slice,
  gradient: ({ inputs: { x }, attributes, dys: { y: dy } }) => ({
    x: record(gradientOperation, { dy }, { ...attributes, shape: x.shape }).dx,
  }),
};

const gradientOperation: Operation<Tensors<"dy">, Tensors<"dx">, Attributes & { readonly shape: Shape }> = {
  name: "slice_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: kernels.sliceGradient,
};

function run({ shape, dtype }: Tensor, { dim, start, end }: Attributes): TensorSpec {
  const side = shape[dim];
  if (side === undefined) throw new ShapeError(NAME, "dim", `is ${dim}; x [${shape}] has ${shape.length} sides`);
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end > side || start >= end)
    throw new ShapeError(
      NAME,
      "start, end",
      `are ${start}, ${end}; side ${dim} of x [${shape}] runs from 0 to ${side}`,
    );
  return { shape: shape.with(dim, end - start), dtype };
}
