/** Sums and means over sides of a tensor, and `expand`, which repeats a tensor along sides: each other's gradient. */
import { ShapeError } from "../../gpu/errors.js";
import type { Shape } from "../../kernels/kernel.js";
import { pointwise } from "../../kernels/pointwise.js";
import * as kernels from "../../kernels/reduce.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";
import { reshape } from "../trace/view.js";

interface SumAttributes {
  readonly dims: readonly number[];
  readonly factor: number;
}

const sumOperation: Operation<Tensors<"x">, Tensors<"y">, SumAttributes> = {
  name: "sum",
  outputs: ({ x: { shape } }, { dims }) => ({ y: { shape: shape.map((side, d) => (dims.includes(d) ? 1 : side)) } }),
  kernel: kernels.sum,
  gradient: ({ inputs: { x }, attributes: { factor }, dys: { y: dy } }) => ({ x: expand(dy, x.shape, factor) }),
};

/** The sum of `x` over `dims` (default: all), times `factor`. The summed sides stay, with length 1. */
export function sum(x: Tensor, dims: readonly number[] = x.shape.map((_, d) => d), factor = 1): Tensor {
  const ascending = [...new Set(dims)].sort((a, b) => a - b);
  for (const dim of ascending) {
    if (x.shape[dim] === undefined) throw new ShapeError("sum", "dims", `names side ${dim} of a tensor [${x.shape}]`);
  }
  return record(sumOperation, { x }, { dims: ascending, factor }).y;
}

/** The mean of `x` over `dims` (default: all). The sides stay, with length 1. */
export function mean(x: Tensor, dims: readonly number[] = x.shape.map((_, d) => d)): Tensor {
  return sum(x, dims, 1 / [...new Set(dims)].reduce((count, dim) => count * (x.shape[dim] ?? 1), 1));
}

/** Undoes a broadcast: the sum of `x` over the sides that `shape` was stretched along. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (x.shape.join() === shape.join()) return x;
  const padded = [...Array(x.shape.length - shape.length).fill(1), ...shape] as number[];
  const dims = padded.flatMap((side, d) => (side === 1 && x.shape[d] !== 1 ? [d] : []));
  return reshape(dims.length ? sum(x, dims) : x, shape);
}

const expandOperation: Operation<Tensors<"x">, Tensors<"y">, { readonly shape: Shape; readonly factor: number }> = {
  name: "expand",
  outputs: (_, { shape }) => ({ y: { shape } }),
  kernel: (recorder, { x }, outputs, { factor }) =>
    pointwise(recorder, { a: x }, outputs, { op: "SCALE", alpha: factor }),
  gradient({ inputs: { x }, attributes: { factor }, dys: { y: dy } }) {
    const dims = x.shape.flatMap((side, d) => (side === 1 && dy.shape[d] !== 1 ? [d] : []));
    return { x: sum(dy, dims, factor) };
  },
};

/** factor · `x` repeated along its sides of length 1 to `shape` (of the same rank). */
export function expand(x: Tensor, shape: Shape, factor = 1): Tensor {
  if (x.shape.length !== shape.length || x.shape.some((side, d) => side !== 1 && side !== shape[d]))
    throw new ShapeError("expand", x.name, `has shape [${x.shape}], which does not stretch to [${shape}]`);
  return record(expandOperation, { x }, { shape, factor }).y;
}
