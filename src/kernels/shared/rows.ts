/**
 * How long rows are added up: they are cut into pieces, whose sums a second dispatch adds in order. The order of all
 * additions depends on shapes and variant alone, so that a rerun gives the same bits.
 *
 * workgroup  64 threads reduce a piece together, pairwise, through workgroup memory: for GPUs.
 * thread     each thread reduces its own piece, without barriers: for CPU adapters, where a barrier costs as much as reading
 *            thousands of numbers.
 */
import {
  FLAT_WORKGROUP,
  HALF,
  type Operand,
  type Recorder,
  rowOfGroups,
  vectors,
  vectorWidth,
  walk,
} from "../kernel.js";

/** Elements of a piece. Per thread, a row longer than the square of this has about as many pieces as they have elements. */
const PIECE = { workgroup: 4096, thread: 512 } as const;

/**
 * Cuts `rows` rows of `length`: parameters and constants of the shaders by their names, and the workgroups. `what` names the
 * sum in the choice of the variant.
 */
export function shareRows(recorder: Recorder, what: string, rows: number, length: number) {
  const { software } = recorder.machine;
  const variant = recorder.choose(
    `${what} ${rows}×${length}`,
    software ? (["thread", "workgroup"] as const) : (["workgroup", "thread"] as const),
  );
  const piece =
    variant === "workgroup" ? PIECE.workgroup : Math.max(PIECE.thread, 4 * Math.ceil(Math.sqrt(length) / 4));
  const pieces = Math.ceil(length / piece);
  const team = variant === "workgroup" ? FLAT_WORKGROUP : 1;
  return {
    constants: { TEAM: team, ...vectors(length) },
    params: { length, pieces, piece, half: HALF },
    workgroups: rowOfGroups(Math.ceil((rows * pieces * team) / FLAT_WORKGROUP)),
  };
}

/** y [outer, inner] = factor · the sums over the middle side of `x` [outer, length, inner], in its order. */
export function sumColumns(
  recorder: Recorder,
  x: Operand,
  y: Operand,
  [outer, length, inner]: readonly [number, number, number],
  factor = 1,
): void {
  const { params, workgroups } = walk(recorder.machine, (outer * inner) / vectorWidth(inner));
  recorder.dispatch({
    shader: "reduce_columns",
    constants: vectors(inner),
    params: { ...params, length, inner, factor },
    bindings: { x, y },
    workgroups,
  });
}
