/**
 * The batched matrix product, for the operation `matmul` and for convolutions that are made of it.
 *
 * `plain` serves small matrices. `tiles` shares both operands through workgroup memory: for GPUs. `strips` hands one of
 * them on by subgroup broadcast: for adapters that compute on the CPU.
 */
import { cpuFirst, flatGrid, type Machine, type Operand, type Recorder, vectorOf, vectorWidth } from "../kernel.js";

export interface Transposed {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Shader, and rows and columns of a workgroup's part of y. */
const FAST = {
  tiles: { shader: "matmul_tiled", rows: 64, columns: 64 },
  strips: { shader: "matmul_strips", rows: 32, columns: 64 },
} as const;

type Variant = "plain" | keyof typeof FAST;

/** Least sides and least inner index for which parts of y are made faster than single elements. */
const LEAST_SIDE = 32;
const LEAST_INNER = 16;

function variants(machine: Machine, filled: boolean): [Variant, ...Variant[]] {
  const fast = cpuFirst<Variant>(machine, ["strips"], ["tiles"]);
  return filled ? [...fast, "plain"] : ["plain", ...fast];
}

/**
 * y [B, n, m] = a [B, n, K] · b [B, K, m]; a transposed operand is stored as [B, K, n] or [B, m, K]. Where a has fewer
 * matrices than b, each of them meets as many of b, one after the other. `flops` tells the arithmetic of the result where
 * the product saves some.
 */
export function product(
  recorder: Recorder,
  a: Operand,
  b: Operand,
  y: Operand,
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
  if (variant === "plain") recorder.dispatch({ ...task, shader: "matmul", workgroups: flatGrid(batches * n * m) });
  else {
    const { shader, rows, columns } = FAST[variant];
    const width = vectorWidth(transposeA ? n : inner, transposeB ? inner : m);
    const values = variant === "strips" && { Values: vectorOf(width), WIDTH: `${width}u` };
    recorder.dispatch({
      ...task,
      constants: { ...task.constants, ...values },
      shader,
      workgroups: [Math.ceil(m / columns), Math.ceil(n / rows), batches],
    });
  }
}
