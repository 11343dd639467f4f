/** The NC4HW4 layout with a margin of zeros, `shaders/nc4hw4.wgsl`: what the kernels for CPU adapters read. */
import { type FloatStorage, nchw, type Operand, type Recorder, vectorOf, vectorWidth } from "../kernel.js";

/** Zeros around a map. Faster to write where `left` is a multiple of 4. */
export interface Margin {
  readonly top: number;
  readonly left: number;
  /** Rows and columns of the whole, margin included. */
  readonly rows: number;
  readonly columns: number;
}

/** Threads of a workgroup, side by side, and rows that each walks through. */
const THREADS = 8;
const REACH = 16;

/** Maps [N, Cᵢ, H, W], one after the other, → [N, Σ⌈Cᵢ/4⌉, rows, columns, 4]. */
export function nc4hw4(recorder: Recorder, maps: readonly Operand[], { top, left, rows, columns }: Margin): Operand {
  const [N] = (maps[0] as Operand).shape as [number];
  const groups = maps.map(({ shape }) => Math.ceil((shape[1] as number) / 4));
  const all = groups.reduce((sum, count) => sum + count, 0);
  const name = `NC4HW4 of ${maps.map(({ name }) => name).join()}`;
  const packed = recorder.scratch(name, [N, all, rows, columns, 4], nc4hw4Storage(maps));
  let first = 0;
  for (const [i, x] of maps.entries()) {
    const [, C, H, W] = nchw(x);
    const count = groups[i] as number;
    const width = vectorWidth(W, left);
    recorder.dispatch({
      shader: "nc4hw4",
      constants: { Values: vectorOf(width), WIDTH: width },
      params: { C, H, W, groups: count, all, first, rows, columns, top, left, reach: REACH },
      bindings: { x, quads: packed },
      workgroups: [Math.ceil(columns / (THREADS * width)), Math.ceil(rows / REACH), N * count],
    });
    first += count;
  }
  return packed;
}

/** f16 if that loses nothing. */
export function nc4hw4Storage(maps: readonly Operand[]): FloatStorage {
  return maps.every(({ dtype }) => dtype === "f16") ? "f16" : "f32";
}
