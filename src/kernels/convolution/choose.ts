/**
 * The three kernels that convolution, transposed convolution and all their gradients are made of, and the choice between
 * the algorithms for each.
 *
 *                     conv2d               conv_transpose2d (weight [Cin,Cout,…] is read as [O,C,…])
 *   convolve          forward              input gradient
 *   transpose         input gradient       forward
 *   weightGradient    weight gradient      weight gradient, x and dy exchanged
 */

import type { Machine, Operand, Recorder } from "../kernel.js";
import { direct } from "./direct.js";
import { haloTiles } from "./halo_tile.js";
import { implicitGemm } from "./implicit_gemm.js";
import {
  type Algorithm,
  adjointProblem,
  type Convolution,
  forwardProblem,
  type Problem,
  productsOf,
  sourcesOf,
  type Transposition,
  type WeightGradient,
  type Window,
} from "./problem.js";
import { subgroup } from "./subgroup.js";
import * as weights from "./weight_gradient.js";
import { tilesOf, winograd, winogradWeightGradient } from "./winograd.js";

type Sides = [number, number, number, number];

/** Multiply-adds below which packing weights costs more than it saves, and from which on direct sums never pay. */
const SMALL = 1 << 18;
const LARGE = 1 << 25;

/** The algorithms for a convolution or its adjoint that are valid here, the default first. */
function algorithms(machine: Machine, problem: Problem) {
  const { sources, weight, y, direction } = problem;
  const work = productsOf(problem);
  const images = [...sources, y];
  return valid(machine, problem, [
    work < SMALL && direct,
    direction === "forward" && winogradPays(machine, weight, y, images) && winograd,
    // A CPU adapter has no fast workgroup memory.
    isCpu(machine) && subgroup,
    ...(machine.software ? [] : haloTiles(problem)),
    ...implicitGemm,
    ...haloTiles(problem),
    subgroup,
    winograd,
    work < LARGE && direct,
  ]);
}

/** The same for a weight gradient. */
function weightAlgorithms(machine: Machine, gradient: WeightGradient) {
  const { x, concat, dy, dweight } = gradient;
  const work = weights.productsOf(gradient);
  const images = [...sourcesOf(x, concat), dy];
  return valid(machine, gradient, [
    work < SMALL && weights.direct,
    winogradPays(machine, dweight, dy, images) && winogradWeightGradient,
    isCpu(machine) && weights.subgroup,
    !machine.software && weights.haloTile,
    weights.implicitGemm,
    weights.haloTile,
    weights.subgroup,
    winogradWeightGradient,
    work < LARGE && weights.direct,
  ]);
}

/** An adapter that computes on the CPU, with subgroups as wide as its vectors. */
function isCpu({ software, subgroupMinSize }: Machine): boolean {
  return software && subgroupMinSize >= 8;
}

/**
 * Winograd saves products and moves more memory: its transformed tiles are larger than the images and stored as f32. That pays
 * if arithmetic is expensive beside memory, as on a CPU, the matrices are large, and no image is stored as f16 to save memory.
 */
function winogradPays(machine: Machine, weight: Operand, y: Operand, images: readonly Operand[]): boolean {
  const [O, C] = weight.shape as Sides;
  const large = Math.min(O, C) >= 32 && tilesOf(y).count >= 32;
  return isCpu(machine) && large && images.every(({ dtype }) => dtype === "f32");
}

type Algorithms<P> = readonly [Algorithm<P>, ...Algorithm<P>[]];

/** Those of a list in order of preference that are valid, each once. */
function valid<P>(machine: Machine, problem: P, preferred: readonly (Algorithm<P> | false)[]): Algorithms<P> {
  const all = preferred.filter((algorithm) => algorithm !== false).filter(({ valid }) => valid(machine, problem));
  return [...new Set(all)] as readonly Algorithm<P>[] as Algorithms<P>;
}

/** Records one of the algorithms: that which the machine's choices name, or the first. */
function record<P>(recorder: Recorder, key: string, problem: P, [first, ...others]: Algorithms<P>): void {
  const id = recorder.choose(key, [first.id, ...others.map((algorithm) => algorithm.id)]);
  (others.find((algorithm) => algorithm.id === id) ?? first).record(recorder, problem);
}

/** y = f(x ⋆ weight + bias + residual). */
export function convolve(recorder: Recorder, convolution: Convolution): void {
  const { x, concat, weight, window } = convolution;
  const problem = forwardProblem(convolution);
  const key = `convolve ${describe(x, concat, weight, window)}${storage(problem)}`;
  record(recorder, key, problem, algorithms(recorder.machine, problem));
}

/** y = f(the adjoint of · ⋆ weight, applied to x, + bias). */
export function transpose(recorder: Recorder, transposition: Transposition): void {
  const { weight, y, window } = transposition;
  const problem = adjointProblem(transposition);
  const key = `transpose ${describe(y, undefined, weight, window)}${storage(problem)}`;
  record(recorder, key, problem, algorithms(recorder.machine, problem));
}

/** dweight = Σ over N, P, Q of dy · (the inputs under its window). */
export function weightGradient(recorder: Recorder, gradient: WeightGradient): void {
  const { x, concat, dweight, window } = gradient;
  const key = `weight gradient ${describe(x, concat, dweight, window)}`;
  record(recorder, key, gradient, weightAlgorithms(recorder.machine, gradient));
}

/** `64+64→32 3×3 s2 p1 d1 [1,64,160,160]`: channels, taps, window, and the image that the window moves over. */
function describe(x: Operand, concat: Operand | undefined, weight: Operand, { stride, padding, dilation }: Window) {
  const [O, , KH, KW] = weight.shape as Sides;
  const channels = sourcesOf(x, concat)
    .map(({ shape }) => shape[1])
    .join("+");
  return `${channels}→${O} ${KH}×${KW} s${stride} p${padding} d${dilation} [${x.shape}]`;
}

/** ` f16+f32→f16`: how inputs and output are stored; empty if all are f32. */
function storage({ sources, y }: Problem): string {
  const types = sources.map(({ dtype }) => dtype);
  return [...types, y.dtype].includes("f16") ? ` ${types.join("+")}→${y.dtype}` : "";
}
