/**
 * What the normalisations share: statistics over the planes H × W of a tensor [N, C, H, W]. Planes are cut into pieces
 * (`rows.ts`); a second dispatch combines the pieces of a group, in a fixed order.
 */
import {
  flatGrid,
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

/**
 * mean and `spread` of every group: the biased variance (`VARIANCE`), or the root of the unbiased one (`STD`), which
 * needs at least two elements a group.
 */
export function moments(
  recorder: Recorder,
  x: Operand,
  { mean, spread }: Operands<"mean" | "spread">,
  group: Group,
  kind: "VARIANCE" | "STD",
): void {
  const [N, C, H, W] = nchw(x);
  const planes = N * C;
  const { constants, params, workgroups } = shareRows(recorder, "moments", planes, H * W);
  const { length, pieces, piece } = params;
  const { batches, groups } = grouping(x.shape, group);
  const part_mean = recorder.scratch("means of pieces", [planes, pieces]);
  const part_deviation = recorder.scratch("deviations of pieces", [planes, pieces]);
  recorder.dispatch({
    shader: "plane_moments",
    constants,
    params: { planes, ...params },
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
