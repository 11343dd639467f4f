/** Pointwise operations with broadcasting: `shaders/pointwise.wgsl`, whose constants name them. */
import { ShapeError } from "../gpu/errors.js";
import { elements, flatGrid, type Operand, type Recorder, type Shape } from "./kernel.js";

/** Every pointwise operation, by the name of its constant in the shader. */
export type PointwiseName =
  | "ADD"
  | "SUB"
  | "MUL"
  | "DIV"
  | "RELU"
  | "RELU_GRADIENT"
  | "LEAKY_RELU"
  | "LEAKY_RELU_GRADIENT"
  | "NEG"
  | "ABS"
  | "SIGN"
  | "SQUARE"
  | "SCALE"
  | "SHIFT"
  | "SOFTPLUS"
  | "SOFTPLUS_GRADIENT";

/** y = op(a, b): `a` and `b` broadcast to `y`'s shape; `alpha` is the operation's scalar. */
export function pointwise(recorder: Recorder, op: PointwiseName, a: Operand, b: Operand, y: Operand, alpha = 0): void {
  const same = [a, b].every(({ shape }) => elements(shape) === elements(y.shape));
  const [sides, [sa, sb]] = broadcastStrides(y.shape, [a.shape, b.shape]);
  recorder.dispatch({
    shader: "pointwise",
    constants: { OP: op, SAME: same },
    params: {
      count: elements(y.shape),
      ...named("d", sides.slice(1), 1),
      ...named("a", sa as number[]),
      ...named("b", sb as number[]),
      alpha,
    },
    bindings: { a, b, y },
    workgroups: flatGrid(elements(y.shape)),
  });
}

/** y = value everywhere. */
export function fill(recorder: Recorder, y: Operand, value: number): void {
  const count = elements(y.shape);
  recorder.dispatch({ shader: "fill", params: { count, value }, bindings: { y }, workgroups: flatGrid(count) });
}

function named(prefix: string, values: readonly number[], first = 0): Record<string, number> {
  return Object.fromEntries(values.map((value, i) => [`${prefix}${first + i}`, value]));
}

/**
 * Four sides of the output and, for each operand, four strides (0 where it is broadcast). Neighbouring sides that all
 * operands treat alike are merged, so that four suffice for the shapes that occur.
 */
function broadcastStrides(shape: Shape, operands: readonly Shape[]): [number[], number[][]] {
  const rank = shape.length;
  const padded = operands.map((operand) => [...Array(rank - operand.length).fill(1), ...operand] as number[]);
  const sides: number[] = [];
  const spread: boolean[][] = [];
  for (let d = 0; d < rank; d++) {
    const side = shape[d] as number;
    if (side === 1) continue;
    const broadcast = padded.map((operand) => operand[d] === 1);
    if (spread.at(-1)?.join() === broadcast.join()) sides[sides.length - 1] = (sides.at(-1) as number) * side;
    else {
      sides.push(side);
      spread.push(broadcast);
    }
  }
  if (sides.length > 4)
    throw new ShapeError("pointwise", "y", `of shape [${shape}] needs more than 4 sides to broadcast`);
  while (sides.length < 4) {
    sides.unshift(1);
    spread.unshift(operands.map(() => true));
  }
  const strides = operands.map((_, k) => {
    let stride = 1;
    const own: number[] = [];
    for (let d = 3; d >= 0; d--) {
      const still = spread[d]?.[k];
      own.unshift(still ? 0 : stride);
      if (!still) stride *= sides[d] as number;
    }
    return own;
  });
  return [sides, strides];
}
