/** Batched matrix product: `shaders/matmul.wgsl`, or `matmul_tiled.wgsl`. */
import { flatGrid, type Operand, type Recorder } from "./kernel.js";

export interface Transposed {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Sides of a workgroup's part of y, and steps of the inner index it takes at once. */
const TILE = 64;
const STEPS = 16;

/** y [B, n, m] = a [B, n, K] · b [B, K, m]; a transposed operand is stored as [B, K, n] or [B, m, K]. */
export function matmul(
  recorder: Recorder,
  a: Operand,
  b: Operand,
  y: Operand,
  { transposeA, transposeB }: Transposed,
): void {
  const [batches, n, m] = y.shape as [number, number, number];
  const inner = a.shape[transposeA ? 1 : 2] as number;
  const operand = (rows: number, columns: number, transposed: boolean) => `${rows}×${columns}${transposed ? "ᵀ" : ""}`;
  const key = `matmul ${batches} of ${operand(n, inner, transposeA)}·${operand(inner, m, transposeB)}`;
  // Tiles pay where at least half of one is filled each way.
  const filled = Math.min(n, m) >= TILE / 2 && inner >= STEPS;
  const tiled = recorder.choose(key, filled ? ["tiles", "plain"] : ["plain", "tiles"]) === "tiles";
  recorder.dispatch({
    shader: tiled ? "matmul_tiled" : "matmul",
    constants: { TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB },
    params: { batches, n, m, inner },
    bindings: { a, b, y },
    workgroups: tiled ? [Math.ceil(m / TILE), Math.ceil(n / TILE), batches] : flatGrid(batches * n * m),
    flops: 2 * batches * n * m * inner,
  });
}
