/**
 * The batched matrix product, for the operation `matmul` and for Winograd convolution.
 *
 * `direct` serves small matrices. `shared-memory` passes tiles of both operands through workgroup memory: for GPUs.
 * `subgroup` broadcasts one operand within subgroups: for CPU adapters.
 */
import { cpuFirst, flatGrid, type Machine, type Operands, type Recorder, vectorOf, vectorWidth } from "../kernel.js";

export interface Transposed {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Shader, and rows and columns of a workgroup's part of y. */
const FAST = {
  "shared-memory/64x64": { shader: "matmul_tiled", rows: 64, columns: 64 },
  "subgroup/32x64": { shader: "matmul_subgroup", rows: 32, columns: 64 },
} as const;

type Variant = "direct" | keyof typeof FAST;

/** Least rows and columns, and least inner index, for which the fast variants pay. */
const LEAST_SIDE = 32;
const LEAST_INNER = 16;

function variants(machine: Machine, filled: boolean): [Variant, ...Variant[]] {
  const fast = cpuFirst<Variant>(machine, ["subgroup/32x64"], ["shared-memory/64x64"]);
  return filled ? [...fast, "direct"] : ["direct", ...fast];
}

/**
 * y [B, n, m] = a [B, n, K] · b [B, K, m]; a transposed operand is stored as [B, K, n] or [B, m, K]. Where a has fewer
 * matrices than b, each of them is multiplied by as many of b, one after the other. `flops` is the arithmetic that the result
 * takes directly, if the product saves some.
 */
export function product(
  recorder: Recorder,
  { a, b }: Operands<"a" | "b">,
  { y }: Operands<"y">,
  { transposeA, transposeB }: Transposed,
  flops?: number,
): void {
  const [batches, n, m] = y.shape as [number, number, number];
  const inner = a.shape[transposeA ? 1 : 2] as number;
  const operand = (rows: number, columns: number, transposed: boolean) => `${rows}×${columns}${transposed ? "ᵀ" : ""}`;
  const key = `matmul ${batches} of ${operand(n, inner, transposeA)}·${operand(inner, m, transposeB)}`;
  const filled = Math.min(n, m) >= LEAST_SIDE && inner >= LEAST_INNER;
  const variant = recorder.choose(key, variants(recorder.machine, filled));
  const executed = 2 * batches * n * m * inner;
  const task = {
    constants: { TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB },
    params: { batches, share: batches / (a.shape[0] as number), n, m, inner },
    bindings: { a, b, y },
    ...(flops === undefined ? { flops: executed } : { flops, executed }),
  };
  if (variant === "direct") recorder.dispatch({ ...task, shader: "matmul", workgroups: flatGrid(batches * n * m) });
  else {
    const { shader, rows, columns } = FAST[variant];
    const width = vectorWidth(transposeA ? n : inner, transposeB ? inner : m);
    const values = variant === "subgroup/32x64" && { Values: vectorOf(width), WIDTH: width };
    recorder.dispatch({
      ...task,
      constants: { ...task.constants, ...values },
      shader,
      workgroups: [Math.ceil(m / columns), Math.ceil(n / rows), batches],
    });
  }
}
