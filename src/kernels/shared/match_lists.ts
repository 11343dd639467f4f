/**
 * The matches by their targets, for the gradients into the reference: for each pixel of Ref↓ the list of LR pixels and
 * taps whose patch covers it. `shaders/match_lists.wgsl`, twice, and `prefix_sum.wgsl` between.
 */
import { elements, flatGrid, type Operand, type Operands, type Recorder } from "../kernel.js";

/**
 * `index` i32 [N·blocks, ky, kx]: positions in the block's window without its rim, row by row. `originX` and `originY` i32
 * [N, blocks]: the window's corner in Ref↓.
 */
export type Matches = Operands<"index" | "originX" | "originY">;

export interface MatchGeometry {
  /** Blocks in a row of LR. */
  readonly px: number;
  /** Dimensions of a window in pixels of Ref↓, rim included. */
  readonly window: readonly [number, number];
  /** Of Ref↓: [Hr, Wr]. */
  readonly size: readonly [number, number];
}

export interface MatchLists {
  /** Where the list of each pixel begins in `lists`, [N·Hr·Wr]. */
  readonly starts: Operand;
  /** All lists one after another, 9·N·H·W entries as in the shader. */
  readonly lists: Operand;
}

/** The lists of the pixels of Ref↓. */
export function matchLists(
  recorder: Recorder,
  { index, originX, originY }: Matches,
  { px, window, size: [Hr, Wr] }: MatchGeometry,
): MatchLists {
  const [N, blocks] = originX.shape as [number, number];
  const [, ky, kx] = index.shape as [number, number, number];
  const [height, width] = window;
  const count = N * Hr * Wr;
  const counts = recorder.scratch("counts", [count], "u32");
  const starts = recorder.scratch("starts", [count], "u32");
  const lists = recorder.scratch("lists", [9 * elements(index.shape)], "u32");
  const search = (fill: boolean) =>
    recorder.dispatch({
      shader: "match_lists",
      constants: { FILL: fill },
      params: { count, blocks, px, W: px * kx, Hr, Wr, ky, kx, columns: width - 2, height, width },
      bindings: {
        index,
        origin_x: originX,
        origin_y: originY,
        starts: fill ? starts : index,
        lists: fill ? lists : counts,
      },
      workgroups: flatGrid(count),
    });
  search(false);
  recorder.dispatch({
    shader: "prefix_sum",
    params: { count },
    bindings: { x: counts, y: starts },
    workgroups: [1, 1, 1],
  });
  search(true);
  return { starts, lists };
}
