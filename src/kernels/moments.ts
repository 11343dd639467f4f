/** Moments of blocks of planes and their combination: "block_moments" and "block_moments_combine" of `shared/planes.ts`. */
import type { Operands, Recorder, Shape } from "./kernel.js";
import * as planes from "./shared/planes.js";

export { BLOCK, blockMoments, blocksOf, type Spread } from "./shared/planes.js";

/** Mean and spread of each plane of `shape` from the moments of its blocks. */
export function combineMoments(
  recorder: Recorder,
  { mean, deviation }: Operands<"mean" | "deviation">,
  outputs: Operands<"mean" | "spread">,
  { shape, kind }: { readonly shape: Shape; readonly kind: planes.Spread },
): void {
  planes.combineMoments(recorder, { part_mean: mean, part_deviation: deviation }, outputs, shape, "plane", kind);
}
