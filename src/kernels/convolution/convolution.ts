/**
 * The three kernels that convolution, transposed convolution and all their gradients are made of.
 *
 * Names are those of the convolution x [N,C,H,W] ⋆ weight [O,C,KH,KW] → y [N,O,P,Q]. A transposed convolution is its
 * adjoint in x and runs the same kernels with the roles of x and y exchanged:
 *
 *                     conv2d               conv_transpose2d (weight [Cin,Cout,…] is read as [O,C,…])
 *   convolve          forward              input gradient
 *   transpose         input gradient       forward
 *   weightGradient    weight gradient      weight gradient, x and dy exchanged
 */

import { cpuFirst, elements, flatGrid, type Operand, type Recorder } from "../kernel.js";
import { adjointGather, forwardGather, type Gather } from "./gather.js";
import { gatherStrips, stripsFit } from "./strips.js";
import { gatherTiles, type Tiles, tilesFor } from "./tiles.js";
import { weightGradient as sumWeightGradient, weightGradientVariants } from "./weight_gradient.js";
import { winogradConvolution, winogradPays, winogradSuits, winogradWeightGradient } from "./winograd.js";

/** How the kernel's window moves, the same along both sides. */
export interface Window {
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

export interface Convolution {
  readonly x: Operand;
  /** A second input whose channels follow those of `x`. */
  readonly concat?: Operand | undefined;
  readonly weight: Operand;
  readonly bias?: Operand | undefined;
  /** Added before the activation; of `y`'s shape. */
  readonly residual?: Operand | undefined;
  readonly y: Operand;
  readonly window: Window;
  /** Of the activation v > 0 ? v : slope·v; 1 is none. */
  readonly slope: number;
}

type Sides = [number, number, number, number];

/** Multiply-adds below which preparing a fast variant costs more than it saves, and above which `plain` never pays. */
const LEAST_WORK = 1 << 18;
const MOST_PLAIN = 1 << 25;

/** `plain`, which a porter reads, and the `fast` ones of the kernels' own files; the default first. */
function variants<Name extends string>(products: number, fast: readonly [Name, ...Name[]]) {
  type Names = readonly [Name | "plain", ...(Name | "plain")[]];
  if (products < LEAST_WORK) return ["plain", ...fast] as Names;
  return (products < MOST_PLAIN ? [...fast, "plain"] : fast) as Names;
}

/**
 * strips: a thread computes a row of pixels from registers and subgroup broadcasts; for adapters that compute on the CPU.
 * tiles: a workgroup shares pixels and weights through its memory; for GPUs.
 */
type GatherVariant = "strips" | Tiles;

function gatherVariants({ machine }: Recorder, task: Gather): readonly [GatherVariant, ...GatherVariant[]] {
  const tiles = tilesFor(task.y.shape[1] as number);
  return stripsFit(machine, task) ? cpuFirst<GatherVariant>(machine, ["strips"], tiles) : tiles;
}

function gather(recorder: Recorder, task: Gather, variant: GatherVariant): void {
  if (variant === "strips") gatherStrips(recorder, task);
  else gatherTiles(recorder, task, variant);
}

/** Multiply-adds of a convolution that makes y, or the output whose gradient y is, of so many channels. */
function products(y: Operand, channels: number, weight: Operand): number {
  const [, , KH, KW] = weight.shape as Sides;
  return elements(y.shape) * channels * KH * KW;
}

/** `64+64→32 3×3 s2 p1 d1 [1,64,160,160]`: channels, taps, window, and the image that the window moves over. */
function describe(x: Operand, concat: Operand | undefined, weight: Operand, { stride, padding, dilation }: Window) {
  const [O, , KH, KW] = weight.shape as Sides;
  const channels = [x, ...(concat ? [concat] : [])].map(({ shape }) => shape[1]).join("+");
  return `${channels}→${O} ${KH}×${KW} s${stride} p${padding} d${dilation} [${x.shape}]`;
}

function hasHalves(operands: readonly Operand[]): boolean {
  return operands.some(({ dtype }) => dtype === "f16");
}

/** ` f16+f32→f16`: how the inputs and the output are stored; nothing where all have 32 bits. */
function storedText({ sources, y }: Gather): string {
  return hasHalves([...sources, y]) ? ` ${sources.map(({ dtype }) => dtype).join("+")}→${y.dtype}` : "";
}

/**
 * The variants of direct sums, and Winograd's where it is valid: the default where it pays, unless there are images stored in
 * 16 bits, as they are to save memory: its transformed tiles are larger than the images, and have 32.
 */
function withWinograd<Name extends string>(
  { machine }: Recorder,
  direct: readonly [Name, ...Name[]],
  weight: Operand,
  window: Window,
  { sources, y }: Pick<Gather, "sources" | "y">,
): readonly [Name | "winograd", ...(Name | "winograd")[]] {
  if (!winogradSuits(weight, window)) return direct;
  const [O, C] = weight.shape as Sides;
  const pays = winogradPays(machine, y, Math.min(O, C)) && !hasHalves([...sources, y]);
  return pays ? ["winograd", ...direct] : [...direct, "winograd"];
}

/** y = f(x ⋆ weight + bias + residual). */
export function convolve(recorder: Recorder, convolution: Convolution): void {
  const { x, concat, weight, y, window } = convolution;
  const task = forwardGather(convolution);
  const direct = gatherVariants(recorder, task);
  const fast = withWinograd(recorder, direct, weight, window, task);
  const candidates = variants(products(y, weight.shape[1] as number, weight), fast);
  const variant = recorder.choose(`convolve ${describe(x, concat, weight, window)}${storedText(task)}`, candidates);
  if (variant === "plain") convolvePlain(recorder, convolution);
  else if (variant === "winograd") winogradConvolution(recorder, convolution);
  else gather(recorder, task, variant);
}

/** The kernel that a porter reads. */
export function convolvePlain(recorder: Recorder, convolution: Convolution): void {
  const { x, concat, weight, bias, residual, y, window, slope } = convolution;
  const [, split, H, W] = x.shape as Sides;
  const [O, C, KH, KW] = weight.shape as Sides;
  const [, , P, Q] = y.shape as Sides;
  const count = elements(y.shape);
  recorder.dispatch({
    shader: "conv2d",
    params: {
      ...{ count, C, split, H, W, O, P, Q, KH, KW, ...window, slope },
      has_bias: Number(bias !== undefined),
      has_residual: Number(residual !== undefined),
    },
    bindings: { x, concat: concat ?? x, weight, bias: bias ?? weight, residual: residual ?? x, y },
    workgroups: flatGrid(count),
    flops: 2 * products(y, C, weight),
  });
}

export interface Transposition {
  readonly x: Operand;
  readonly weight: Operand;
  /** The first of the weight's channels that is used; `y` says how many are. */
  readonly first: number;
  readonly bias?: Operand | undefined;
  readonly y: Operand;
  readonly window: Window;
  readonly slope: number;
}

/** y = f(the adjoint of · ⋆ weight, applied to x, + bias). */
export function transpose(recorder: Recorder, transposition: Transposition): void {
  const { x, weight, y, window } = transposition;
  const task = adjointGather(transposition);
  const candidates = variants(products(x, y.shape[1] as number, weight), gatherVariants(recorder, task));
  const variant = recorder.choose(`transpose ${describe(y, undefined, weight, window)}${storedText(task)}`, candidates);
  if (variant === "plain") transposePlain(recorder, transposition);
  else gather(recorder, task, variant);
}

function transposePlain(recorder: Recorder, transposition: Transposition): void {
  const { x, weight, first, bias, y, window, slope } = transposition;
  const [, O, P, Q] = x.shape as Sides;
  const [, channels, KH, KW] = weight.shape as Sides;
  const [, C, H, W] = y.shape as Sides;
  const count = elements(y.shape);
  recorder.dispatch({
    shader: "conv_transpose2d",
    params: {
      ...{ count, C, H, W, channels, first, O, P, Q, KH, KW, ...window, slope },
      has_bias: Number(bias !== undefined),
    },
    bindings: { x, weight, bias: bias ?? weight, y },
    workgroups: flatGrid(count),
    flops: 2 * products(x, C, weight),
  });
}

export interface WeightGradient {
  readonly x: Operand;
  readonly concat?: Operand | undefined;
  readonly dy: Operand;
  readonly dweight: Operand;
  readonly window: Window;
}

/** dweight = Σ over N, P, Q of dy · (the inputs it met). */
export function weightGradient(recorder: Recorder, gradient: WeightGradient): void {
  const { x, concat, dy, dweight, window } = gradient;
  const direct = weightGradientVariants(recorder.machine);
  const fast = withWinograd(recorder, direct, dweight, window, { sources: [x, ...(concat ? [concat] : [])], y: dy });
  const candidates = variants(products(dy, dweight.shape[1] as number, dweight), fast);
  const variant = recorder.choose(`weight gradient ${describe(x, concat, dweight, window)}`, candidates);
  if (variant === "winograd") winogradWeightGradient(recorder, gradient);
  else sumWeightGradient(recorder, gradient, variant);
}
