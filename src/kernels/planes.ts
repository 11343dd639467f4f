/**
 * What the normalisations share: statistics over the planes H × W of a tensor [N, C, H, W]. Planes are cut into pieces, a
 * workgroup each; a second dispatch combines the pieces of a group, in a fixed order.
 */
import { flatGrid, HALF, type Operand, type Recorder, type Shape } from "./kernel.js";

/** What is normalised together: a plane each (instance norm), or the planes of a channel (batch norm). */
export type Group = "plane" | "channel";

const PIECE = 4096;
const GRID_ROW = 32768;

/** How the planes of x [N, C, H, W] are cut: parameters by their names in the shaders, and one workgroup a piece. */
export function cutPlanes([N = 1, C = 1, H = 1, W = 1]: Shape) {
  const length = H * W;
  const planes = N * C;
  const pieces = Math.ceil(length / PIECE);
  const parts = planes * pieces;
  const workgroups: [number, number, number] =
    parts <= GRID_ROW ? [parts, 1, 1] : [GRID_ROW, Math.ceil(parts / GRID_ROW), 1];
  return { params: { planes, length, pieces, piece: PIECE }, workgroups };
}

function grouping([N = 1, C = 1]: Shape, group: Group) {
  return group === "plane" ? { batches: 1, groups: N * C } : { batches: N, groups: C };
}

/**
 * mean and `spread` of every group: the biased variance (`VARIANCE`), or the root of the unbiased one (`STD`), which
 * needs at least two elements a group.
 */
export function moments(
  recorder: Recorder,
  x: Operand,
  mean: Operand,
  spread: Operand,
  group: Group,
  kind: "VARIANCE" | "STD",
): void {
  const { params, workgroups } = cutPlanes(x.shape);
  const { planes, length, pieces, piece } = params;
  const { batches, groups } = grouping(x.shape, group);
  const part_mean = recorder.scratch("means of pieces", [planes, pieces]);
  const part_deviation = recorder.scratch("deviations of pieces", [planes, pieces]);
  recorder.dispatch({
    shader: "plane_moments",
    params: { ...params, half: HALF },
    bindings: { x, mean: part_mean, deviation: part_deviation },
    workgroups,
  });
  const count = batches * length;
  recorder.dispatch({
    shader: "plane_moments_combine",
    constants: { ROOT: kind === "STD" },
    params: { batches, groups, length, pieces, piece, divisor: kind === "STD" ? count - 1 : count },
    bindings: { part_mean, part_deviation, mean, spread },
    workgroups: flatGrid(groups),
  });
}

/** Operands of a normalisation's gradient. */
export interface Normalised {
  readonly x: Operand;
  readonly mean: Operand;
  readonly variance: Operand;
  readonly dy: Operand;
}

/** sums = Σ dy and products = Σ dy·x̂ of every group, x̂ = (x − mean) / √(variance + eps). */
export function gradientSums(
  recorder: Recorder,
  { x, mean, variance, dy }: Normalised,
  sums: Operand,
  products: Operand,
  group: Group,
  eps: number,
): void {
  const { params, workgroups } = cutPlanes(x.shape);
  const { planes, pieces } = params;
  const { batches, groups } = grouping(x.shape, group);
  const part_sums = recorder.scratch("sums of pieces", [planes, pieces]);
  const part_products = recorder.scratch("products of pieces", [planes, pieces]);
  recorder.dispatch({
    shader: "plane_sums",
    params: { ...params, groups, eps, half: HALF },
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
