/**
 * Coarse matching, `shaders/coarse_match*.wgsl`: the blocks' patches as unit vectors (coarse_match_queries), the best
 * position in each tile of the reference (coarse_match, or coarse_match_subgroup on CPU adapters), the
 * best tile (coarse_match_best). No score but the tiles' best is ever written.
 */
import { cpuFirst, elements, flatGrid, nchw, type Operand, type Operands, type Recorder } from "./kernel.js";
import { nc4hw4 } from "./shared/nc4hw4.js";
import { patchSquares } from "./shared/patch_squares.js";

export interface CoarseMatchAttributes {
  readonly blocks: readonly [number, number];
  readonly dilations: readonly number[];
  /** Rows of ref [start, end) whose positions are searched; default all. */
  readonly rows?: readonly [number, number] | undefined;
}

/** Queries that one workgroup scores. */
const QUERIES = { "shared-memory": 4, subgroup: 16 } as const;
/** Positions of a tile of coarse_match.wgsl. */
const TILE = 256;
const TAPS = 9;
/** Positions of a strip of coarse_match_subgroup.wgsl, and strips of a workgroup. */
const PIXELS = 8;
const STRIPS = 8;

/** index i32 and score f32 [N, py·px] from lr [N, C, H, W] and ref [N, C, Hr, Wr]. */
export function coarseMatch(
  recorder: Recorder,
  { lr, ref }: Operands<"lr" | "ref">,
  { index, score }: Operands<"index" | "score">,
  { blocks, dilations, rows = [0, nchw(ref)[2]] }: CoarseMatchAttributes,
): void {
  const [N, C, H, W] = nchw(lr);
  const [py, px] = blocks;
  const key = `coarse match ${py}×${px} blocks of [${lr.shape}] in [${ref.shape}], dilations ${dilations}`;
  const variant = recorder.choose(
    key,
    cpuFirst<"subgroup" | "shared-memory">(recorder.machine, ["subgroup"], ["shared-memory"]),
  );
  const Q = QUERIES[variant] * Math.ceil((py * px) / QUERIES[variant]);
  const channels = variant === "subgroup" ? 4 * Math.ceil(C / 4) : C;
  const queries = recorder.scratch("queries", [N, dilations.length, TAPS, channels, Q]);
  const count = N * dilations.length * Math.ceil(C / 4) * Q;
  recorder.dispatch({
    shader: "coarse_match_queries",
    constants: { ...constantsOf(dilations), SUBGROUP: variant === "subgroup" },
    params: { count, C, H, W, blocks: py * px, Q, px, ky: H / py, kx: W / px },
    bindings: { lr, squares: patchSquares(recorder, lr), queries },
    workgroups: flatGrid(count),
  });
  const flops =
    2 *
    elements(index.shape) *
    (elements(ref.shape) / N / nchw(ref)[2]) *
    (rows[1] - rows[0]) *
    TAPS *
    dilations.length;
  const search = { ref, queries, dilations, rows, flops };
  const best = variant === "subgroup" ? scoreBySubgroup(recorder, search) : scoreTiles(recorder, search);
  recorder.dispatch({
    shader: "coarse_match_best",
    params: { count: N * py * px, blocks: py * px, tiles: best.best_score.shape[1] as number, Q },
    bindings: { ...best, index, score },
    workgroups: flatGrid(N * py * px),
  });
}

function constantsOf(dilations: readonly number[]) {
  return { COUNT: dilations.length, DILATIONS: `array<i32, COUNT>(${dilations.join(", ")})` };
}

interface Search {
  readonly ref: Operand;
  readonly queries: Operand;
  readonly dilations: readonly number[];
  /** Rows of ref that are searched. */
  readonly rows: readonly [number, number];
  readonly flops: number;
}

/** Score and position [N, tiles, Q] of the best of each tile. */
function bestOfTiles(recorder: Recorder, tiles: number, queries: Operand) {
  const [N, , , , Q] = queries.shape as [number, number, number, number, number];
  return {
    best_score: recorder.scratch("scores of the tiles", [N, tiles, Q]),
    best_index: recorder.scratch("positions of the tiles", [N, tiles, Q], "i32"),
  };
}

function scoreTiles(recorder: Recorder, { ref, queries, dilations, rows: [top, bottom], flops }: Search) {
  const [N, C, Hr, Wr] = nchw(ref);
  const Q = queries.shape[4] as number;
  const tiles = Math.ceil(((bottom - top) * Wr) / TILE);
  const best = bestOfTiles(recorder, tiles, queries);
  recorder.dispatch({
    shader: "coarse_match",
    constants: constantsOf(dilations),
    params: { C, Hr, Wr, Q, top, bottom, dilations: dilations.length, taps: TAPS },
    bindings: { queries, ref_map: ref, squares: patchSquares(recorder, ref), ...best },
    workgroups: [tiles, Q / QUERIES["shared-memory"], N],
    flops,
  });
  return best;
}

function scoreBySubgroup(recorder: Recorder, { ref, queries, dilations, rows: [top, bottom], flops }: Search) {
  const [N, C, Hr, Wr] = nchw(ref);
  const Q = queries.shape[4] as number;
  const strips = Math.ceil(Wr / PIXELS);
  const reach = Math.max(...dilations);
  const left = 4 * Math.ceil(reach / 4);
  const [height, columns] = [Hr + 2 * reach, left + strips * PIXELS + reach];
  const norms = recorder.scratch("norms", [N, dilations.length, Hr, Wr]);
  recorder.dispatch({
    shader: "coarse_match_norms",
    constants: constantsOf(dilations),
    params: { count: elements(norms.shape), H: Hr, W: Wr },
    bindings: { squares: patchSquares(recorder, ref), norms },
    workgroups: flatGrid(elements(norms.shape)),
  });
  const tiles = Math.ceil(((bottom - top) * strips) / STRIPS);
  const best = bestOfTiles(recorder, tiles, queries);
  recorder.dispatch({
    shader: "coarse_match_subgroup",
    constants: { ...constantsOf(dilations), REACH: reach },
    params: {
      groups: Math.ceil(C / 4),
      Hr,
      Wr,
      top,
      bottom,
      strips,
      rows: height,
      columns,
      left,
      Q,
      dilations: dilations.length,
    },
    bindings: { queries, quads: nc4hw4(recorder, [ref], { top: reach, left, rows: height, columns }), norms, ...best },
    workgroups: [tiles, Q / QUERIES.subgroup, N],
    flops,
  });
  return best;
}
