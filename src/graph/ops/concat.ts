/** Tensors joined along a side, as PyTorch's cat. */
import { ShapeError } from "../../gpu/errors.js";
import * as kernels from "../../kernels/concat.js";
import type { Shape } from "../../kernels/kernel.js";
import { slice } from "../../kernels/slice.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, TensorSpec, Tensors } from "../trace/tensor.js";
import { SAME_PLACE } from "../trace/window.js";

const NAME = "concat";

interface Attributes {
  readonly dim: number;
}

/**
 * The tensors `xs`, which differ in side `dim` at most, one behind the other along that side: torch.cat(xs, dim). Of
 * any one type. The gradient of each is its run of dy. A convolution takes two inputs as they are (`conv2d`'s option
 * `concat`) and needs no copy. Throws `ShapeError`.
 */
export function concat(xs: readonly Tensor[], dim: number): Tensor {
  return record(operation, { xs }, { dim }).y;
}

const operation: Operation<{ readonly xs: readonly Tensor[] }, Tensors<"y">, Attributes> = {
  name: NAME,
  outputs: ({ xs }, { dim }) => ({ y: joined(xs, dim) }),
  kernel: kernels.concat,
  window: (_, { dim }) => (dim === 1 ? { maps: { xs: SAME_PLACE } } : undefined),
  gradient({ inputs: { xs }, attributes: { dim }, dys: { y: dy }, needs }) {
    let end = 0;
    return {
      xs: xs.map(({ shape }, i) => {
        const start = end;
        end += shape[dim] as number;
        return needs("xs", i) ? record(gradientOperation, { dy }, { shape, dim, start }).dx : undefined;
      }),
    };
  },
};

const gradientOperation: Operation<Tensors<"dy">, Tensors<"dx">, Attributes & { shape: Shape; start: number }> = {
  name: "concat_gradient",
  outputs: (_, { shape }) => ({ dx: { shape } }),
  kernel: (recorder, { dy }, { dx }, attributes) => slice(recorder, { x: dy }, { y: dx }, attributes),
};

function joined(xs: readonly Tensor[], dim: number): TensorSpec {
  const [first] = xs;
  if (!first) throw new ShapeError(NAME, "xs", "holds no tensor");
  const { shape, dtype } = first;
  if (shape[dim] === undefined) throw new ShapeError(NAME, "dim", `is ${dim}; the tensors have ${shape.length} sides`);
  for (const x of xs) {
    if (x.dtype !== dtype) throw new ShapeError(NAME, x.name, `is ${x.dtype}, the first tensor ${dtype}`);
    if (x.shape.length !== shape.length || x.shape.some((side, d) => d !== dim && side !== shape[d]))
      throw new ShapeError(NAME, x.name, `has shape [${x.shape}]; beside [${shape}] only side ${dim} may differ`);
  }
  const side = xs.reduce((sum, x) => sum + (x.shape[dim] as number), 0);
  return { shape: shape.with(dim, side), dtype };
}
