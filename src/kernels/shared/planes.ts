/**
 * What the normalisations share: statistics over the planes H × W of a tensor [N, C, H, W]. Planes are cut into blocks
 * (moments) or pieces (sums, `rows.ts`); a second dispatch combines the parts of a group, in a fixed order.
 */
import {
  FLAT_WORKGROUP,
  flatGrid,
  HALF,
  nchw,
  type Operand,
  type Operands,
  type Recorder,
  rowOfGroups,
  type Shape,
  vectors,
} from "../kernel.js";
import { shareRows } from "./rows.js";

/** What is normalised together: a plane each (instance norm), or the planes of a channel (batch norm). */
export type Group = "plane" | "channel";

/** Elements that a workgroup of the kernels that sum nothing takes. */
const PIECE = 4096;

/** The planes of x [N, C, H, W] for kernels that sum nothing: parameters and constants by their names, a workgroup a piece. */
export function cutPlanes([N = 1, C = 1, H = 1, W = 1]: Shape) {
  const length = H * W;
  const planes = N * C;
  const pieces = Math.ceil(length / PIECE);
  return {
    constants: vectors(length),
    params: { planes, length, pieces, piece: PIECE },
    workgroups: rowOfGroups(planes * pieces),
  };
}

function grouping([N = 1, C = 1]: Shape, group: Group) {
  return group === "plane" ? { batches: 1, groups: N * C } : { batches: N, groups: C };
}

/** Rows and columns of a block whose moments are taken together. */
export const BLOCK = 32;

/** What the statistics of planes are made of: their divisor, and whether the root is taken. */
export type Spread = "VARIANCE" | "STD";

/** The moments of the 32×32 blocks of x's planes: [N, C, ⌈H/32⌉, ⌈W/32⌉] each. */
export function blockMoments(
  recorder: Recorder,
  { x }: Operands<"x">,
  { mean, deviation }: Operands<"mean" | "deviation">,
): void {
  const [N, C, H, W] = nchw(x);
  const [, , rows, columns] = nchw(mean);
  const { software } = recorder.machine;
  const variant = recorder.choose(
    `moments ${N * C}×[${H},${W}]`,
    software ? (["thread", "workgroup"] as const) : (["workgroup", "thread"] as const),
  );
  const team = variant === "workgroup" ? FLAT_WORKGROUP : 1;
  const blocks = N * C * rows * columns;
  recorder.dispatch({
    shader: "block_moments",
    constants: { TEAM: team, ACROSS: variant === "workgroup" ? 8 : 1, ...vectors(W) },
    params: { planes: N * C, H, W, rows, columns, half: HALF },
    bindings: { x, mean, deviation },
    workgroups: rowOfGroups(Math.ceil((blocks * team) / FLAT_WORKGROUP)),
  });
}

/**
 * mean and `spread` of every group of planes of `shape` from the moments of their blocks: the biased variance (`VARIANCE`),
 * or the root of the unbiased one (`STD`), which needs at least two elements per group.
 */
export function combineMoments(
  recorder: Recorder,
  { part_mean, part_deviation }: Operands<"part_mean" | "part_deviation">,
  { mean, spread }: Operands<"mean" | "spread">,
  shape: Shape,
  group: Group,
  kind: Spread,
): void {
  const [, , H = 1, W = 1] = shape;
  const [, , rows, columns] = nchw(part_mean);
  const { batches, groups } = grouping(shape, group);
  const count = batches * H * W;
  recorder.dispatch({
    shader: "block_moments_combine",
    constants: { ROOT: kind === "STD" },
    params: { batches, groups, H, W, rows, columns, divisor: kind === "STD" ? count - 1 : count },
    bindings: { part_mean, part_deviation, mean, spread },
    workgroups: flatGrid(groups),
  });
}

/** `blockMoments` and `combineMoments` of x. */
export function moments(
  recorder: Recorder,
  x: Operand,
  statistics: Operands<"mean" | "spread">,
  group: Group,
  kind: Spread,
): void {
  const shape = blocksOf(x.shape);
  const part_mean = recorder.scratch("means of blocks", shape);
  const part_deviation = recorder.scratch("deviations of blocks", shape);
  blockMoments(recorder, { x }, { mean: part_mean, deviation: part_deviation });
  combineMoments(recorder, { part_mean, part_deviation }, statistics, x.shape, group, kind);
}

/** The shape of the moments of the blocks of planes [N, C, H, W]. */
export function blocksOf([N = 1, C = 1, H = 1, W = 1]: Shape): Shape {
  return [N, C, Math.ceil(H / BLOCK), Math.ceil(W / BLOCK)];
}

/** Operands of a normalisation's gradient. */
export type Normalised = Operands<"x" | "mean" | "variance" | "dy">;

/** sums = Σ dy and products = Σ dy·x̂ of every group, x̂ = (x − mean) / √(variance + eps). */
export function gradientSums(
  recorder: Recorder,
  { x, mean, variance, dy }: Normalised,
  { sums, products }: Operands<"sums" | "products">,
  group: Group,
  eps: number,
): void {
  const [N, C, H, W] = nchw(x);
  const planes = N * C;
  const { constants, params, workgroups } = shareRows(recorder, "sums of a normalisation's gradient", planes, H * W);
  const { pieces } = params;
  const { batches, groups } = grouping(x.shape, group);
  const part_sums = recorder.scratch("sums of pieces", [planes, pieces]);
  const part_products = recorder.scratch("products of pieces", [planes, pieces]);
  recorder.dispatch({
    shader: "plane_sums",
    constants,
    params: { planes, ...params, groups, eps },
    bindings: { x, mean, variance, dy, sums: part_sums, products: part_products },
    workgroups,
  });
  recorder.dispatch({
    shader: "plane_sums_combine",
    params: { batches, groups, pieces },
    bindings: { part_sums, part_products, sums, products },
    workgroups: flatGrid(groups),
  });
}
