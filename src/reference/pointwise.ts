/** Pointwise operations with broadcasting, and their gradients, in float64. */
import { type NdArray, ndarray } from "./array.js";

/** y = value(a, b), and the partial derivatives where there are any. An operation of one operand ignores b. */
interface Row {
  readonly value: (a: number, b: number, alpha: number) => number;
  readonly da?: (a: number, b: number, alpha: number) => number;
  readonly db?: (a: number, b: number, alpha: number) => number;
}

export const POINTWISE = {
  add: { value: (a, b) => a + b, da: () => 1, db: () => 1 },
  sub: { value: (a, b) => a - b, da: () => 1, db: () => -1 },
  mul: { value: (a, b) => a * b, da: (_, b) => b, db: (a) => a },
  div: { value: (a, b) => a / b, da: (_, b) => 1 / b, db: (a, b) => -a / b ** 2 },
  relu: { value: (a) => Math.max(a, 0), da: (a) => (a > 0 ? 1 : 0) },
  reluGradient: { value: (a, b) => (a > 0 ? b : 0) },
  leakyRelu: { value: (a, _, slope) => (a > 0 ? a : slope * a), da: (a, _, slope) => (a > 0 ? 1 : slope) },
  leakyReluGradient: { value: (a, b, slope) => (a > 0 ? b : slope * b) },
  neg: { value: (a) => -a, da: () => -1 },
  abs: { value: (a) => Math.abs(a), da: (a) => Math.sign(a) },
  sign: { value: (a) => Math.sign(a) },
  square: { value: (a) => a * a, da: (a) => 2 * a },
  scale: { value: (a, _, factor) => factor * a, da: (_a, _b, factor) => factor },
  shift: { value: (a, _, summand) => a + summand, da: () => 1 },
  softplus: {
    value: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
    da: (a) => 1 / (1 + Math.exp(-a)),
  },
} as const satisfies Record<string, Row>;

export type PointwiseName = keyof typeof POINTWISE;

/** The shape that both broadcast to: right-aligned, a side of 1 stretches. */
function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  const side = (shape: readonly number[], d: number) => shape[d - rank + shape.length] ?? 1;
  return Array.from({ length: rank }, (_, d) => Math.max(side(a, d), side(b, d)));
}

/** Flat index in a tensor of `shape` of the element that is stretched to flat index `i` in `to`. */
function source(i: number, to: readonly number[], shape: readonly number[]): number {
  let rest = i;
  let index = 0;
  let stride = 1;
  for (let d = to.length - 1; d >= 0; d--) {
    const side = shape[d - to.length + shape.length] ?? 1;
    const position = rest % (to[d] as number);
    rest = Math.floor(rest / (to[d] as number));
    if (side > 1) index += position * stride;
    stride *= side;
  }
  return index;
}

function forEachPair(a: NdArray, b: NdArray, visit: (y: number, a: number, b: number) => void): number[] {
  const shape = broadcastShape(a.shape, b.shape);
  const size = shape.reduce((product, side) => product * side, 1);
  for (let i = 0; i < size; i++) visit(i, source(i, shape, a.shape), source(i, shape, b.shape));
  return shape;
}

/** y = op(a, b); `alpha` is the operation's scalar. */
export function pointwise(name: PointwiseName, a: NdArray, b: NdArray = a, alpha = 0): NdArray {
  const { value }: Row = POINTWISE[name];
  const values: number[] = [];
  const shape = forEachPair(a, b, (y, ia, ib) => {
    values[y] = value(a.data[ia] as number, b.data[ib] as number, alpha);
  });
  return ndarray(shape, values);
}

/** Gradients of Σ y·dy, summed over what was stretched; zeros where the operation has none. */
export function pointwiseGradient(
  name: PointwiseName,
  a: NdArray,
  b: NdArray,
  dy: NdArray,
  alpha = 0,
): { da: NdArray; db: NdArray } {
  const row: Row = POINTWISE[name];
  const da = ndarray(a.shape);
  const db = ndarray(b.shape);
  forEachPair(a, b, (y, ia, ib) => {
    const [p, q, upstream] = [a.data[ia] as number, b.data[ib] as number, dy.data[y] as number];
    if (row.da) (da.data[ia] as number) += upstream * row.da(p, q, alpha);
    if (row.db) (db.data[ib] as number) += upstream * row.db(p, q, alpha);
  });
  return { da, db };
}
