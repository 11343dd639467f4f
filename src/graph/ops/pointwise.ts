/**
 * Pointwise operations: one row a piece, with the constant of the shader and the gradient. They and `sum` (reduce.ts)
 * and `reshape` (view.ts) are the algebra that the gradients of all other operations are written in.
 */
import { ShapeError } from "../../gpu/errors.js";
import { elements, type Shape } from "../../kernels/kernel.js";
import * as kernels from "../../kernels/pointwise.js";
import { type Operation, recordOne, type Tensor } from "../tensor.js";
import { sumTo } from "./reduce.js";

interface Row {
  readonly name: string;
  readonly constant: kernels.PointwiseName;
  /** Gradients of `a` and `b`, in the broadcast shape: from the operands, the output and its gradient. */
  readonly gradient?: (a: Tensor, b: Tensor, y: Tensor, dy: Tensor, alpha: number) => readonly [Tensor, Tensor?];
}

interface Attributes {
  readonly alpha: number;
}

const rows = {
  add: { name: "add", constant: "ADD", gradient: (_a, _b, _y, dy) => [dy, dy] },
  sub: { name: "sub", constant: "SUB", gradient: (_a, _b, _y, dy) => [dy, neg(dy)] },
  mul: { name: "mul", constant: "MUL", gradient: (a, b, _y, dy) => [mul(dy, b), mul(dy, a)] },
  div: { name: "div", constant: "DIV", gradient: (_a, b, y, dy) => [div(dy, b), neg(div(mul(dy, y), b))] },
  relu: { name: "relu", constant: "RELU", gradient: (_a, _b, y, dy) => [binary(rows.reluGradient, y, dy)] },
  reluGradient: { name: "relu_gradient", constant: "RELU_GRADIENT" },
  leakyRelu: {
    name: "leaky_relu",
    constant: "LEAKY_RELU",
    gradient: (a, _b, _y, dy, slope) => [binary(rows.leakyReluGradient, a, dy, slope)],
  },
  leakyReluGradient: { name: "leaky_relu_gradient", constant: "LEAKY_RELU_GRADIENT" },
  neg: { name: "neg", constant: "NEG", gradient: (_a, _b, _y, dy) => [neg(dy)] },
  abs: { name: "abs", constant: "ABS", gradient: (a, _b, _y, dy) => [mul(dy, sign(a))] },
  sign: { name: "sign", constant: "SIGN" },
  square: { name: "square", constant: "SQUARE", gradient: (a, _b, _y, dy) => [scale(mul(dy, a), 2)] },
  scale: { name: "scale", constant: "SCALE", gradient: (_a, _b, _y, dy, factor) => [scale(dy, factor)] },
  shift: { name: "shift", constant: "SHIFT", gradient: (_a, _b, _y, dy) => [dy] },
} satisfies Record<string, Row> as Record<string, Row> & { reluGradient: Row; leakyReluGradient: Row };

const operations = new Map<Row, Operation<Attributes>>();

function operation(row: Row): Operation<Attributes> {
  let known = operations.get(row);
  if (!known) {
    known = define(row);
    operations.set(row, known);
  }
  return known;
}

function define({ name, constant, gradient }: Row): Operation<Attributes> {
  const base: Operation<Attributes> = {
    name,
    outputs: ([a, b]) => [{ shape: broadcastShape(name, a as Tensor, b ?? (a as Tensor)) }],
    kernel: (recorder, [a, b], [y], { alpha }) => {
      if (a && y) kernels.pointwise(recorder, constant, a, b ?? a, y, alpha);
    },
  };
  if (!gradient) return base;
  return {
    ...base,
    gradient({ inputs: [a, b], outputs: [y], attributes, dys: [dy] }) {
      if (!a || !y || !dy) return [];
      const [da, db] = gradient(a, b ?? a, y, dy, attributes.alpha);
      return [sumTo(da, a.shape), b && db && sumTo(db, b.shape)];
    },
  };
}

function unary(row: Row, a: Tensor, alpha = 0): Tensor {
  return recordOne(operation(row), [a], { alpha });
}

function binary(row: Row, a: Tensor, b: Tensor, alpha = 0): Tensor {
  return recordOne(operation(row), [a, b], { alpha });
}

const row = (name: keyof typeof rows) => rows[name] as Row;

/** a + b, broadcast. */
export const add = (a: Tensor, b: Tensor) => binary(row("add"), a, b);
/** a − b, broadcast. */
export const sub = (a: Tensor, b: Tensor) => binary(row("sub"), a, b);
/** a · b, broadcast. */
export const mul = (a: Tensor, b: Tensor) => binary(row("mul"), a, b);
/** a / b, broadcast. */
export const div = (a: Tensor, b: Tensor) => binary(row("div"), a, b);
/** max(x, 0); the gradient at 0 is 0. */
export const relu = (x: Tensor) => unary(row("relu"), x);
/** x > 0 ? x : slope·x; the gradient at 0 is the slope. */
export const leakyRelu = (x: Tensor, slope: number) => unary(row("leakyRelu"), x, slope);
/** dy where y > 0, else 0: the gradient through a ReLU whose output is y. */
export const reluGradient = (y: Tensor, dy: Tensor) => binary(row("reluGradient"), y, dy);
/** dy where x > 0, else slope·dy; x may be the LeakyReLU's input or its output, which have one sign. */
export const leakyReluGradient = (x: Tensor, dy: Tensor, slope: number) =>
  binary(row("leakyReluGradient"), x, dy, slope);
export const neg = (x: Tensor) => unary(row("neg"), x);
/** |x|; the gradient at 0 is 0. */
export const abs = (x: Tensor) => unary(row("abs"), x);
/** −1, 0 or 1; no gradient. */
export const sign = (x: Tensor) => unary(row("sign"), x);
export const square = (x: Tensor) => unary(row("square"), x);
/** factor · x. */
export const scale = (x: Tensor, factor: number) => unary(row("scale"), x, factor);
/** x + summand. */
export const shift = (x: Tensor, summand: number) => unary(row("shift"), x, summand);

const fillOperation: Operation<{ shape: Shape; value: number }> = {
  name: "fill",
  outputs: (_, { shape }) => [{ shape }],
  kernel: (recorder, _, [y], { value }) => {
    if (y) kernels.fill(recorder, y, value);
  },
};

/** A tensor with one value everywhere. */
export function fill(shape: Shape, value: number): Tensor {
  return recordOne(fillOperation, [], { shape, value });
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
  if (elements(shape) === elements(a.shape) && a.shape.length === rank) return a.shape;
  return shape;
}
