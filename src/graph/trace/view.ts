/** Views: the same bytes in another shape, or the same tensor without its gradient. */
import { ShapeError } from "../../gpu/errors.js";
import { elements, type Shape } from "../../kernels/kernel.js";
import { type Operation, recordOne, type Tensor } from "./tensor.js";

const reshapeOperation: Operation<{ shape: Shape }> = {
  name: "reshape",
  outputs: ([x], { shape }) => [{ shape, dtype: (x as Tensor).dtype }],
  gradient: ({ inputs: [x], dys: [dy] }) => [dy && reshape(dy, (x as Tensor).shape)],
};

/** The elements of `x` in row-major order, in another shape with as many elements. Copies nothing. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (elements(shape) !== x.size)
    throw new ShapeError(
      "reshape",
      x.name,
      `has ${x.size} elements [${x.shape}], shape [${shape}] has ${elements(shape)}`,
    );
  return x.shape.join() === shape.join() ? x : recordOne(reshapeOperation, [x], { shape });
}

const detachOperation: Operation<null> = {
  name: "detach",
  outputs: ([x]) => [{ shape: (x as Tensor).shape, dtype: (x as Tensor).dtype }],
  gradient: () => [],
};

/** `x` as a constant: no gradient flows back through it. Copies nothing. */
export function detach(x: Tensor): Tensor {
  return recordOne(detachOperation, [x], null);
}
