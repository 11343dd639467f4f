/**
 * How long rows are added up: they are cut into pieces, whose sums a second dispatch adds in order. The order of all
 * additions depends on shapes and variant alone, so that a rerun gives the same bits.
 *
 * team   64 threads share a piece and add up their sums pairwise, through workgroup memory: for GPUs.
 * alone  each thread has a piece of its own, and no thread waits for another: for adapters that compute on the CPU, where the
 *        barriers of a team cost as much as reading thousands of numbers.
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

/** Elements of a piece. Alone, rows longer than the square of this have pieces as long as they are many: both sums are short. */
const PIECE = { team: 4096, alone: 512 } as const;

/**
 * Cuts `rows` rows of `length`: parameters and constants of the shaders by their names, and the workgroups. `what` names the
 * sum in the choice of the variant.
 */
export function shareRows(recorder: Recorder, what: string, rows: number, length: number) {
  const { software } = recorder.machine;
  const variant = recorder.choose(
    `${what} ${rows}×${length}`,
    software ? (["alone", "team"] as const) : (["team", "alone"] as const),
  );
  const piece = variant === "team" ? PIECE.team : Math.max(PIECE.alone, 4 * Math.ceil(Math.sqrt(length) / 4));
  const pieces = Math.ceil(length / piece);
  const team = variant === "team" ? FLAT_WORKGROUP : 1;
  return {
    constants: { TEAM: `${team}u`, ...vectors(length) },
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
