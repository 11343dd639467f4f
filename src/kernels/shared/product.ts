/**
 * The batched matrix product, for the operation `matmul` and for Winograd convolution.
 *
 * `direct` serves small matrices. `shared-memory` passes tiles of both operands through workgroup memory: for GPUs.
 * `subgroup` broadcasts one operand within subgroups: for CPU adapters.
 */
import { cpuFirst, flatGrid, type Machine, type Operands, type Recorder, vectorOf, vectorWidth } from "../kernel.js";

type Sides = readonly [number, number, number];

export interface Transposed {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** Shader, rows and columns of a workgroup's part of y, and vectors of columns of a thread. */
const FAST = {
  "shared-memory/128x128": { shader: "matmul_tiled", rows: 128, columns: 128, quads: 2 },
  "shared-memory/128x64": { shader: "matmul_tiled", rows: 128, columns: 64, quads: 1 },
  "shared-memory/64x64": { shader: "matmul_tiled", rows: 64, columns: 64, quads: 1 },
  "subgroup/32x64": { shader: "matmul_subgroup", rows: 32, columns: 64, quads: undefined },
} as const;

type Variant = "direct" | keyof typeof FAST;

/** Tiles for GPUs, the largest first, and workgroups below which a large GPU is not busy. */
const TILES = ["shared-memory/128x128", "shared-memory/128x64", "shared-memory/64x64"] as const;
const FEW_WORKGROUPS = 64;

/** Least rows and columns, and least inner index, for which the fast variants pay. */
const LEAST_SIDE = 32;
const LEAST_INNER = 16;

/** The variants for a product of these sides, the default first. */
function variants(machine: Machine, [batches, n, m]: Sides, inner: number): [Variant, ...Variant[]] {
  const workgroups = (rows: number, columns: number) => batches * Math.ceil(n / rows) * Math.ceil(m / columns);
  // Large tiles have the fewest loads, if there are enough of them to keep a GPU busy and they are not mostly empty.
  const tiles = TILES.filter((name) => {
    const { rows, columns } = FAST[name];
    return n > rows / 2 && m > columns / 2 && workgroups(rows, columns) >= FEW_WORKGROUPS;
  });
  const gpu = [...new Set([...tiles, ...[...TILES].reverse()])] as [Variant, ...Variant[]];
  const fast = cpuFirst<Variant>(machine, ["subgroup/32x64"], gpu);
  const filled = Math.min(n, m) >= LEAST_SIDE && inner >= LEAST_INNER;
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
  const [batches, n, m] = y.shape as Sides;
  const inner = a.shape[transposeA ? 1 : 2] as number;
  const operand = (rows: number, columns: number, transposed: boolean) => `${rows}×${columns}${transposed ? "ᵀ" : ""}`;
  const key = `matmul ${batches} of ${operand(n, inner, transposeA)}·${operand(inner, m, transposeB)}`;
  const variant = recorder.choose(key, variants(recorder.machine, [batches, n, m], inner));
  const executed = 2 * batches * n * m * inner;
  const task = {
    constants: { TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB },
    params: { batches, share: batches / (a.shape[0] as number), n, m, inner },
    bindings: { a, b, y },
    ...(flops === undefined ? { flops: executed } : { flops, executed }),
  };
  if (variant === "direct") recorder.dispatch({ ...task, shader: "matmul", workgroups: flatGrid(batches * n * m) });
  else {
    const { shader, rows, columns, quads } = FAST[variant];
    const width = vectorWidth(transposeA ? n : inner, transposeB ? inner : m);
    const tile = quads && { ROWS: rows, COLUMNS: columns, QUADS: quads };
    recorder.dispatch({
      ...task,
      constants: { ...task.constants, Values: vectorOf(width), WIDTH: width, ...tile },
      shader,
      workgroups: [Math.ceil(m / columns), Math.ceil(n / rows), batches],
    });
  }
}
