/**
 * Pointwise operations: a row of the table each, and a function. They and `sum` (reduce.ts) and `reshape` (view.ts) are the
 * algebra that the gradients of all other operations are written in.
 */
import { ShapeError } from "../../gpu/errors.js";
import type { Shape } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/pointwise.js";
import { record } from "../trace/graph.js";
import type { Operation, Tensor, Tensors } from "../trace/tensor.js";
import { SAME_PLACE } from "../trace/window.js";
import { sumTo } from "./reduce.js";

interface Attributes {
  readonly alpha: number;
}

interface Context extends Attributes {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly y: Tensor;
  readonly dy: Tensor;
}

/** Gradients of `a` and `b`, in the broadcast shape. */
type Gradient = (context: Context) => readonly [Tensor, Tensor?];

/** The table, by the names of the shader's constants. An operation that is missing here has no gradient. */
const gradients: { readonly [name in kernels.PointwiseName]?: Gradient } = {
  ADD: ({ dy }) => [dy, dy],
  SUB: ({ dy }) => [dy, neg(dy)],
  MUL: ({ a, b, dy }) => [mul(dy, b), mul(dy, a)],
  DIV: ({ b, y, dy }) => [div(dy, b), neg(div(mul(dy, y), b))],
  RELU: ({ y, dy }) => [reluGradient(y, dy)],
  LEAKY_RELU: ({ a, dy, alpha }) => [leakyReluGradient(a, dy, alpha)],
  NEG: ({ dy }) => [neg(dy)],
  ABS: ({ a, dy }) => [mul(dy, sign(a))],
  SQUARE: ({ a, dy }) => [scale(mul(dy, a), 2)],
  SCALE: ({ dy, alpha }) => [scale(dy, alpha)],
  SHIFT: ({ dy }) => [dy],
  SOFTPLUS: ({ a, dy }) => [binary("SOFTPLUS_GRADIENT", a, dy)],
};

type Pointwise = Operation<Tensors<"a", "b">, Tensors<"y">, Attributes>;

const operations = new Map<kernels.PointwiseName, Pointwise>();

function operation(name: kernels.PointwiseName): Pointwise {
  const known = operations.get(name) ?? define(name);
  operations.set(name, known);
  return known;
}

function define(op: kernels.PointwiseName): Pointwise {
  const name = op.toLowerCase();
  const gradient = gradients[op];
  const base: Pointwise = {
    name,
    f16: { inputs: ["a", "b"], outputs: ["y"] },
    outputs: ({ a, b = a }) => ({ y: { shape: broadcastShape(name, a, b) } }),
    kernel: (recorder, inputs, outputs, { alpha }) => kernels.pointwise(recorder, inputs, outputs, { op, alpha }),
    window: ({ a, b }) => {
      const [, , H, W] = broadcastShape(name, a, b ?? a);
      const isMap = (tensor?: Tensor) => tensor?.shape[2] === H && tensor?.shape[3] === W;
      return { maps: { ...(isMap(a) && { a: SAME_PLACE }), ...(isMap(b) && { b: SAME_PLACE }) } };
    },
  };
  if (!gradient) return base;
  return {
    ...base,
    gradient({ inputs: { a, b }, outputs: { y }, attributes: { alpha }, dys: { y: dy } }) {
      const [da, db] = gradient({ a, b: b ?? a, y, dy, alpha });
      return { a: sumTo(da, a.shape), b: b && db && sumTo(db, b.shape) };
    },
  };
}

function unary(name: kernels.PointwiseName, a: Tensor, alpha = 0): Tensor {
  return record(operation(name), { a }, { alpha }).y;
}

function binary(name: kernels.PointwiseName, a: Tensor, b: Tensor, alpha = 0): Tensor {
  return record(operation(name), { a, b }, { alpha }).y;
}

/** a + b, broadcast. */
export const add = (a: Tensor, b: Tensor) => binary("ADD", a, b);
/** a − b, broadcast. */
export const sub = (a: Tensor, b: Tensor) => binary("SUB", a, b);
/** a · b, broadcast. */
export const mul = (a: Tensor, b: Tensor) => binary("MUL", a, b);
/** a / b, broadcast. */
export const div = (a: Tensor, b: Tensor) => binary("DIV", a, b);
/** max(x, 0); the gradient at 0 is 0. */
export const relu = (x: Tensor) => unary("RELU", x);
/** x > 0 ? x : slope·x; the gradient at 0 is the slope. */
export const leakyRelu = (x: Tensor, slope: number) => unary("LEAKY_RELU", x, slope);
/** dy where y > 0, else 0: the gradient through a ReLU whose output is y. */
export const reluGradient = (y: Tensor, dy: Tensor) => binary("RELU_GRADIENT", y, dy);
/** dy where x > 0, else slope·dy; x may be the LeakyReLU's input or its output, which have one sign. */
export const leakyReluGradient = (x: Tensor, dy: Tensor, slope: number) => binary("LEAKY_RELU_GRADIENT", x, dy, slope);
/** −x. */
export const neg = (x: Tensor) => unary("NEG", x);
/** |x|; the gradient at 0 is 0. */
export const abs = (x: Tensor) => unary("ABS", x);
/** −1, 0 or 1; no gradient. */
export const sign = (x: Tensor) => unary("SIGN", x);
/** x². */
export const square = (x: Tensor) => unary("SQUARE", x);
/** factor · x. */
export const scale = (x: Tensor, factor: number) => unary("SCALE", x, factor);
/** x + summand. */
export const shift = (x: Tensor, summand: number) => unary("SHIFT", x, summand);
/** log(1 + eˣ), without overflow; its gradient is 1 / (1 + e⁻ˣ). */
export const softplus = (x: Tensor) => unary("SOFTPLUS", x);

const fillOperation: Operation<Tensors<never>, Tensors<"y">, { readonly shape: Shape; readonly value: number }> = {
  name: "fill",
  outputs: (_, { shape }) => ({ y: { shape } }),
  kernel: kernels.fill,
};

/** A tensor with one value everywhere. */
export function fill(shape: Shape, value: number): Tensor {
  return record(fillOperation, {}, { shape, value }).y;
}

/** The shape that `a` and `b` broadcast to: right-aligned, a side of 1 stretches. */
function broadcastShape(name: string, a: Tensor, b: Tensor): Shape {
  const rank = Math.max(a.shape.length, b.shape.length);
  const side = (shape: Shape, d: number) => shape[shape.length - rank + d] ?? 1;
  const shape = Array.from({ length: rank }, (_, d) => Math.max(side(a.shape, d), side(b.shape, d)));
  for (const operand of [a, b]) {
    if (shape.some((length, d) => side(operand.shape, d) !== 1 && side(operand.shape, d) !== length))
      throw new ShapeError(name, operand.name, `has shape [${operand.shape}], which does not broadcast to [${shape}]`);
  }
  return shape;
}
