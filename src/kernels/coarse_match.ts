/**
 * Coarse matching, `shaders/coarse_match*.wgsl`: the blocks' patches as unit vectors (coarse_match_queries), the best
 * position in each tile of the reference (coarse_match), the best tile (coarse_match_best). No score but the tiles' best
 * is ever written.
 */
import { elements, flatGrid, type Operand, type Recorder } from "./kernel.js";
import { patchSquares } from "./patch_squares.js";

export interface CoarseMatch {
  /** [N, C, H, W]. */
  readonly lr: Operand;
  /** [N, C, Hr, Wr]. */
  readonly ref: Operand;
  /** i32 [N, py·px]. */
  readonly index: Operand;
  /** f32 [N, py·px]. */
  readonly score: Operand;
  readonly blocks: readonly [number, number];
  readonly dilations: readonly number[];
}

type Sides = [number, number, number, number];

/** Queries that one workgroup of coarse_match.wgsl scores, and positions of its tile. */
const QUERIES = 4;
const TILE = 256;
const TAPS = 9;

export function coarseMatch(recorder: Recorder, { lr, ref, index, score, blocks, dilations }: CoarseMatch): void {
  const [N, C, H, W] = lr.shape as Sides;
  const [, , Hr, Wr] = ref.shape as Sides;
  const [py, px] = blocks;
  const Q = QUERIES * Math.ceil((py * px) / QUERIES);
  const constants = { COUNT: dilations.length, DILATIONS: `array<i32, COUNT>(${dilations.join(", ")})` };

  const queries = recorder.scratch("queries", [N, dilations.length, TAPS, C, Q]);
  recorder.dispatch({
    shader: "coarse_match_queries",
    constants,
    params: { count: elements(queries.shape), C, H, W, blocks: py * px, Q, px, ky: H / py, kx: W / px },
    bindings: { lr, squares: patchSquares(recorder, lr), queries },
    workgroups: flatGrid(elements(queries.shape)),
  });
  const tiles = Math.ceil((Hr * Wr) / TILE);
  const best_score = recorder.scratch("scores of the tiles", [N, tiles, Q]);
  const best_index = recorder.scratch("positions of the tiles", [N, tiles, Q], "i32");
  recorder.dispatch({
    shader: "coarse_match",
    constants,
    params: { C, Hr, Wr, Q, dilations: dilations.length, taps: TAPS },
    bindings: { queries, ref_map: ref, squares: patchSquares(recorder, ref), best_score, best_index },
    workgroups: [tiles, Q / QUERIES, N],
    flops: 2 * N * py * px * Hr * Wr * TAPS * C * dilations.length,
  });
  recorder.dispatch({
    shader: "coarse_match_best",
    params: { count: N * py * px, blocks: py * px, tiles, Q },
    bindings: { best_score, best_index, index, score },
    workgroups: flatGrid(N * py * px),
  });
}
