/** Views: the same bytes in another shape, or the same tensor without its gradient. */
import { ShapeError } from "../../gpu/errors.js";
import { elements, type Shape } from "../../kernels/kernel.js";
import { record } from "./graph.js";
import type { Operation, Tensor, Tensors } from "./tensor.js";

const reshapeOperation: Operation<Tensors<"x">, Tensors<"y">, { readonly shape: Shape }> = {
  name: "reshape",
  outputs: ({ x }, { shape }) => ({ y: { shape, dtype: x.dtype } }),
  gradient: ({ inputs: { x }, dys }) => ({ x: reshape(dys.y, x.shape) }),
};

/** The elements of `x` in row-major order, in another shape with as many elements. Copies nothing. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (elements(shape) !== x.size)
    throw new ShapeError(
      "reshape",
      x.name,
      `has ${x.size} elements [${x.shape}], shape [${shape}] has ${elements(shape)}`,
    );
  return x.shape.join() === shape.join() ? x : record(reshapeOperation, { x }, { shape }).y;
}

const detachOperation: Operation<Tensors<"x">, Tensors<"y">> = {
  name: "detach",
  outputs: ({ x: { shape, dtype } }) => ({ y: { shape, dtype } }),
  gradient: () => ({}),
};

/** `x` as a constant: no gradient flows back through it. Copies nothing. */
export function detach(x: Tensor): Tensor {
  return record(detachOperation, { x }).y;
}
