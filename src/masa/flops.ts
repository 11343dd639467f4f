/**
 * The arithmetic of the network, counted from its graph without a GPU, as the official `flop_count.py` counts (paper,
 * table 2): a multiply-add is one; so is each element of an addition, subtraction, product, quotient or ReLU; a transposed
 * convolution is charged for every output pixel, four times its real work at stride 2. Interpolation, unfolding, folding
 * and the statistics of normalisations are free.
 *
 * The graph is that of the reference path, whose steps are the official ones, with two differences, added at the end: the
 * official code begins its sum of similarities with 0, and it computes window corners as tensors, where we have a kernel.
 */

import { input, trace } from "../graph/trace/graph.js";
import type { Node, Tensor } from "../graph/trace/tensor.js";
import { SCALE } from "../image/pairs.js";
import type { MasaConfig } from "./config.js";
import { Encoder } from "./encoder.js";
import { type MatchGeometry, matchGeometry } from "./geometry.js";
import { Masa } from "./masa.js";

export interface NetworkFlops {
  readonly conv2d: number;
  readonly convTranspose2d: { readonly official: number; readonly exact: number };
  /** The products that the two searches compare with. */
  readonly coarse: number;
  readonly fine: number;
  /** By the names of the official counter. */
  readonly elementwise: Readonly<Record<Elementwise, number>>;
  /** Convolutions of levels 2 and 3 of the downscaled reference: the official code runs them and uses them for nothing. */
  readonly unused: number;
  /** What the paper's table 2 gives: all of the above but `exact` and `unused`. */
  readonly total: number;
}

type Elementwise = "add" | "sub" | "mul" | "div" | "relu_" | "floor_divide";
type Counts = Record<"conv2d" | "official" | "exact" | "coarse" | "fine" | Elementwise, number>;

/** Counts one image of LR height × width `lr`, with a reference 4 times the size of `refDown`. Throws `ShapeError`. */
export function countFlops(
  lr: readonly [number, number],
  refDown: readonly [number, number],
  changes: Partial<MasaConfig> = {},
): NetworkFlops {
  const masa = new Masa(changes);
  const image = (name: string, [height, width]: readonly [number, number], scale = 1) =>
    input(name, [1, 3, scale * height, scale * width]);
  const { graph } = trace(() => {
    const inputs = { lr: image("lr", lr), ref: image("ref", refDown, SCALE), refDown: image("refDown", refDown) };
    masa.forward(inputs, { implementation: "unfused" });
  });
  const counts = count(graph.nodes);
  addOfficialIndices(counts, matchGeometry({ lr, refDown, ...masa.config }));

  const { channels, encoderBlocks } = masa.config;
  const encoder = new Encoder(3, channels, encoderBlocks);
  const all = trace(() => encoder.forward(image("refDown", refDown)));
  const used = trace(() => encoder.forwardLevel1(image("refDown", refDown)));
  const unused = count(all.graph.nodes).conv2d - count(used.graph.nodes).conv2d;

  const { conv2d, official, exact, coarse, fine, ...elementwise } = counts;
  const sum = Object.values(elementwise).reduce((total, part) => total + part, 0);
  const total = conv2d + official + coarse + fine + sum;
  return { conv2d, convTranspose2d: { official, exact }, coarse, fine, elementwise, unused, total };
}

/** What each operation counts for; those that are not named are free. */
const RULES: Readonly<Record<string, (node: Node, counts: Counts) => void>> = {
  conv2d(node, counts) {
    const y = output(node);
    counts.conv2d += y.size * (operand(node, "weight").size / y.shape[1]!);
    countFused(node, counts);
  },
  conv_transpose2d(node, counts) {
    const x = operand(node, "x");
    const products = operand(node, "weight").size / x.shape[1]!;
    counts.official += output(node).size * products;
    counts.exact += x.size * products;
    countFused(node, counts);
  },
  matmul(node, counts) {
    counts[node.scope.includes("coarse") ? "coarse" : "fine"] += output(node).size * operand(node, "a").shape[2]!;
  },
  normalize: (node, counts) => {
    counts.div += output(node).size;
  },
  relu: (node, counts) => {
    counts.relu_ += output(node).size;
  },
  add: elementwise("add"),
  sub: elementwise("sub"),
  mul: elementwise("mul"),
  div: elementwise("div"),
};

function elementwise(name: "add" | "sub" | "mul" | "div"): (node: Node, counts: Counts) => void {
  return (node, counts) => {
    counts[name] += output(node).size;
  };
}

/** The operand `name` of an operation that always has it. */
function operand({ inputs }: Node, name: string): Tensor {
  return inputs[name] as Tensor;
}

function output({ outputs }: Node): Tensor {
  return outputs.y as Tensor;
}

/** The residual and the activation that a convolution has fused in. */
function countFused(node: Node, counts: Counts): void {
  const { slope } = node.attributes as { readonly slope?: number };
  if (slope === 0) counts.relu_ += output(node).size;
  if (node.inputs.residual) counts.add += output(node).size;
}

function count(nodes: readonly Node[]): Counts {
  const none = { add: 0, sub: 0, mul: 0, div: 0, relu_: 0, floor_divide: 0 };
  const counts = { conv2d: 0, official: 0, exact: 0, coarse: 0, fine: 0, ...none };
  for (const node of nodes) RULES[node.operation.name]?.(node, counts);
  return counts;
}

/** Operations on a block's position when its window is clamped, both axes together. */
const PER_BLOCK = { add: 10, sub: 6, mul: 14, floor_divide: 1 };
/** Scales at which the official code lists a window's rows and columns. */
const GRIDS = [1, 2, 4];
/** Sizes of tensors are values of the official trace too: its count of them does not depend on the images. */
const SIZES = { add: 18, sub: 14, mul: 56, floor_divide: 12 };

function addOfficialIndices(counts: Counts, { blocks: [py, px], window, refDown }: MatchGeometry): void {
  const blocks = py * px;
  // 0 + the first similarity.
  counts.add += blocks * refDown[0] * refDown[1];
  for (const name of ["add", "sub", "mul", "floor_divide"] as const)
    counts[name] += PER_BLOCK[name] * blocks + SIZES[name];
  for (const scale of GRIDS) {
    counts.mul += 2 * blocks;
    counts.add += blocks * scale * (window[0] + window[1]);
  }
}
