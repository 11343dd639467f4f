/**
 * The weight gradient of convolution, in two stages: slabs of lines (n, p) of dy are summed side by side, then the slabs
 * are added in order. The order of all additions depends on shapes and variant alone, so a rerun gives the same bits.
 */

import { elements, flatGrid, type Machine, type Operand, type Recorder } from "../kernel.js";
import { sumColumns } from "../shared/rows.js";
import type { WeightGradient } from "./convolution.js";

type Fast = "tiles" | "strips";

/** The variants that a machine can run, beside `plain`, the default first: strips for CPUs, tiles for GPUs. */
export function weightGradientVariants({ software, subgroupMinSize }: Machine): [Fast, ...Fast[]] {
  if (subgroupMinSize < 8) return ["tiles"];
  return software ? ["strips", "tiles"] : ["tiles", "strips"];
}

type Sides = [number, number, number, number];

/** Most bytes of all partial sums together. */
const SLAB_BYTES = 16 << 20;

/** dweight = Σ over N, P, Q of dy · (the inputs it met). */
export function weightGradient(recorder: Recorder, gradient: WeightGradient, variant: Fast | "plain"): void {
  const { dy, dweight } = gradient;
  const [O, C, KH, KW] = dweight.shape as Sides;
  const lines = (dy.shape[0] as number) * (dy.shape[2] as number);
  const wanted = {
    plain: 64,
    tiles: Math.ceil(512 / tilesOf(O, C * KH * KW)),
    strips: Math.ceil(32 / (Math.ceil(O / 16) * Math.ceil(C / 16) * KH)),
  }[variant];
  const most = Math.max(1, Math.min(wanted, Math.floor(SLAB_BYTES / (4 * elements(dweight.shape)))));
  const depth = Math.ceil(lines / most);
  const slabs = Math.ceil(lines / depth);
  const partial = slabs === 1 ? dweight : recorder.scratch("slabs", [slabs, ...dweight.shape]);
  if (variant === "plain") plain(recorder, gradient, partial, depth, slabs);
  else sources(recorder, gradient, partial, depth, slabs, variant);
  if (slabs > 1) sumColumns(recorder, partial, dweight, [1, slabs, elements(dweight.shape)]);
}

function plain(recorder: Recorder, gradient: WeightGradient, partial: Operand, rows: number, slabs: number): void {
  const { x, concat, dy, dweight, window } = gradient;
  const [N, split, H, W] = x.shape as Sides;
  const [O, C, KH, KW] = dweight.shape as Sides;
  const [, , P, Q] = dy.shape as Sides;
  const count = slabs * elements(dweight.shape);
  recorder.dispatch({
    shader: "conv2d_weight_gradient",
    params: { count, N, C, split, H, W, O, P, Q, KH, KW, ...window, rows },
    bindings: { x, concat: concat ?? x, dy, partial },
    workgroups: flatGrid(count),
    flops: 2 * N * P * Q * elements(dweight.shape),
  });
}

/** Elements of a tile of `conv2d_weight_gradient_tiles.wgsl`, and the output channels that it can have. */
const TILE = 64 * 64;
const TILE_OUTPUTS = [16, 32, 64];

function tileOutputs(O: number): number {
  return TILE_OUTPUTS.find((count) => count >= O) ?? 64;
}

/** Tiles of a gradient of `weights` elements for each of O output channels. */
function tilesOf(O: number, weights: number): number {
  const outputs = tileOutputs(O);
  return Math.ceil(O / outputs) * Math.ceil(weights / (TILE / outputs));
}

/** One dispatch for each input. */
function sources(
  recorder: Recorder,
  { x: input, concat, dy, dweight, window }: WeightGradient,
  partial: Operand,
  depth: number,
  slabs: number,
  variant: Fast,
): void {
  const [O, channels, KH, KW] = dweight.shape as Sides;
  const [N, , P, Q] = dy.shape as Sides;
  for (const x of concat ? [input, concat] : [input]) {
    const [, C, H, W] = x.shape as Sides;
    const channel = x === input ? 0 : (input.shape[1] as number);
    const params = { lines: N * P, depth, C, H, W, channels, channel, O, P, Q, KH, KW, ...window };
    const bindings = { x, dy, partial };
    const flops = 2 * N * P * Q * O * C * KH * KW;
    if (variant === "tiles") {
      recorder.dispatch({
        shader: "conv2d_weight_gradient_tiles",
        constants: { OUTPUTS: `${tileOutputs(O)}u` },
        ...{ params, bindings, flops },
        workgroups: [tilesOf(O, C * KH * KW), 1, slabs],
      });
    } else {
      const rowOfThree = KW % 3 === 0 && window.stride === 1 && window.dilation === 1;
      const [TAPS, CHANNELS] = rowOfThree ? [3, 2] : [1, 4];
      const groups = Math.ceil(C / (8 * CHANNELS)) * Math.ceil(O / 16);
      recorder.dispatch({
        shader: "conv2d_weight_gradient_strips",
        constants: { TAPS: `${TAPS}u`, CHANNELS: `${CHANNELS}u` },
        params,
        bindings,
        workgroups: [groups, (KH * KW) / TAPS, slabs],
        flops,
      });
    }
  }
}
