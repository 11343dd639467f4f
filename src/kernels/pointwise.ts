/** Pointwise operations with broadcasting: `shaders/pointwise.wgsl`, whose constants name them. */
import { ShapeError } from "../gpu/errors.js";
import { elements, flatGrid, type Operands, type Recorder, type Shape, vectorOf, vectorWidth, walk } from "./kernel.js";

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

/** y = op(a, b): `a` and `b` broadcast to `y`'s shape, unary operations have no `b`; `alpha` is the operation's scalar. */
export function pointwise(
  recorder: Recorder,
  { a, b = a }: Operands<"a", "b">,
  { y }: Operands<"y">,
  { op, alpha }: { readonly op: PointwiseName; readonly alpha: number },
): void {
  const same = [a, b].every(({ shape }) => elements(shape) === elements(y.shape));
  const whole = broadcast(y.shape, [a.shape, b.shape]);
  const width = vectorWidth(whole.sides.at(-1) ?? 1);
  const { sides, strides, types } = inVectors(whole, width);
  const { params, workgroups } = walk(recorder.machine, elements(y.shape) / width);
  recorder.dispatch({
    shader: "pointwise",
    constants: {
      OP: op,
      SAME: same,
      SIDES: same ? 1 : sides.length, // which does not count there
      A: types[0] as string,
      B: types[1] as string,
      Values: vectorOf(width),
    },
    params: {
      ...params,
      ...named("d", inner(sides, 1)),
      ...named("a", inner(strides[0] as readonly number[], 0)),
      ...named("b", inner(strides[1] as readonly number[], 0)),
      a0: strides[0]?.[0] ?? 0,
      b0: strides[1]?.[0] ?? 0,
      alpha,
    },
    bindings: { a, b, y },
    workgroups,
  });
}

/** y = value everywhere. */
export function fill(recorder: Recorder, _: object, { y }: Operands<"y">, { value }: { readonly value: number }): void {
  const count = elements(y.shape);
  recorder.dispatch({ shader: "fill", params: { count, value }, bindings: { y }, workgroups: flatGrid(count) });
}

/** The last three of all but the first value, `none` where there are fewer. */
function inner(values: readonly number[], none: number): number[] {
  return [none, none, none, ...values.slice(1)].slice(-3);
}

function named(prefix: string, values: readonly number[]): Record<string, number> {
  return Object.fromEntries(values.map((value, i) => [`${prefix}${1 + i}`, value]));
}

interface Broadcast {
  readonly sides: readonly number[];
  readonly strides: readonly (readonly number[])[];
}

/**
 * The same with the innermost side counted in vectors, and what each operand is bound as: an operand that is broadcast along
 * that side as numbers, the others as vectors, whose strides are counted in them too.
 */
function inVectors({ sides, strides }: Broadcast, width: 1 | 4) {
  const still = strides.map((own) => own.at(-1) === 0);
  return {
    sides: sides.map((side, d) => (d === sides.length - 1 ? side / width : side)),
    strides: strides.map((own, k) =>
      own.map((stride, d) => (still[k] || d === own.length - 1 ? stride : stride / width)),
    ),
    types: still.map((one) => (one ? "f32" : vectorOf(width))),
  };
}

/**
 * The sides of the output and, for each operand, their strides (0 where it is broadcast). Neighbouring sides that all
 * operands treat alike are merged, so that four suffice for the shapes that occur and one division a side is left.
 */
function broadcast(shape: Shape, operands: readonly Shape[]): Broadcast {
  const rank = shape.length;
  const padded = operands.map((operand) => [...Array(rank - operand.length).fill(1), ...operand] as number[]);
  const sides: number[] = [];
  const spread: boolean[][] = [];
  for (let d = 0; d < rank; d++) {
    const side = shape[d] as number;
    if (side === 1) continue;
    const stretched = padded.map((operand) => operand[d] === 1);
    if (spread.at(-1)?.join() === stretched.join()) sides[sides.length - 1] = (sides.at(-1) as number) * side;
    else {
      sides.push(side);
      spread.push(stretched);
    }
  }
  if (sides.length > 4)
    throw new ShapeError("pointwise", "y", `of shape [${shape}] needs more than 4 sides to broadcast`);
  const strides = operands.map((_, k) => {
    const own: number[] = [];
    let stride = 1;
    for (let d = sides.length - 1; d >= 0; d--) {
      const still = spread[d]?.[k];
      own.unshift(still ? 0 : stride);
      if (!still) stride *= sides[d] as number;
    }
    return own;
  });
  return { sides, strides };
}
