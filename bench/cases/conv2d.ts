/** Convolution and its gradients at the shapes of MASA's layers. */

import { conv2d } from "../../src/graph/ops/conv2d.js";
import { fill } from "../../src/graph/ops/pointwise.js";
import { grad } from "../../src/graph/trace/grad.js";
import { type Arrays, bytesOf, type Case, elements, label, type Sides, type Suite } from "../case.js";
import { type Array4, adjointSum, convolutionSum, joinChannels, position, weightSum, worstError } from "../oracle.js";

interface Layer {
  /** Channels of each input; two are taken as one, as `conv2d` does with `concat`. */
  readonly from: readonly number[];
  readonly to: number;
  readonly stride: number;
  /** Sides of the square images. */
  readonly sides: readonly number[];
}

const LAYERS: readonly Layer[] = [
  // Residual blocks.
  { from: [64], to: 64, stride: 1, sides: [160, 80, 40] },
  // Merging two feature maps in the decoder.
  { from: [64, 64], to: 64, stride: 1, sides: [160, 80, 40] },
  // Halving in the encoder.
  { from: [64], to: 64, stride: 2, sides: [160, 80] },
  // The decoder's last.
  { from: [64], to: 3, stride: 1, sides: [160] },
];
const BATCHES = [1, 9];
const KERNEL = 3;
const PADDING = 1;

export const conv2dCases: Suite = (shapes) =>
  LAYERS.flatMap((layer) =>
    (shapes ?? BATCHES.flatMap((N) => layer.sides.map((side): Sides => [N, 64, side, side]))).flatMap((shape) =>
      convolutionCases(layer, shape),
    ),
  );

/** Forward, input gradient and weight gradient; the channels of `shape` take the place of MASA's 64. */
function convolutionCases({ from, to, stride }: Layer, [N, C, H, W]: Sides): Case[] {
  const O = to === 64 ? C : to;
  const channels = C * from.length;
  const weight: Sides = [O, channels, KERNEL, KERNEL];
  const side = (length: number) => Math.floor((length + 2 * PADDING - KERNEL) / stride) + 1;
  const y: Sides = [N, O, side(H), side(W)];
  const layer = `${channels}-${O}${stride > 1 ? ` stride ${stride}` : ""} ${label([N, C, H, W])}`;
  const shape = { x: [N, C, H, W] as Sides, concat: from.length > 1, weight, y, window: { stride, padding: PADDING } };
  const work = {
    flops: 2 * elements(y) * channels * KERNEL ** 2,
    bytes: bytesOf([N, channels, H, W], weight, y),
    large: N * H * W > 2 * 160 ** 2,
  };
  return [
    { ...work, ...forward(shape), name: `conv2d forward ${layer}` },
    { ...work, ...inputGradient(shape), name: `conv2d dx ${layer}` },
    { ...work, ...weightGradient(shape), name: `conv2d dweight ${layer}` },
  ];
}

interface Shapes {
  readonly x: Sides;
  /** Whether there is a second input of x's shape. */
  readonly concat: boolean;
  readonly weight: Sides;
  readonly y: Sides;
  readonly window: { readonly stride: number; readonly padding: number };
}

type Parts = Pick<Case, "inputs" | "build" | "check">;

function forward({ x, concat, weight, y, window }: Shapes): Parts {
  return {
    inputs: { x, ...(concat && { concat: x }), weight, bias: [y[1]] },
    build: (t) => ({ y: conv2d(t.x!, t.weight!, t.bias, { ...window, ...(t.concat && { concat: t.concat }) }) }),
    check(data, uniform) {
      const [all, weights] = [joined(data, "x", "concat", x), array(data.weight, weight)];
      return worstError(data.y!, uniform, (i) => {
        const sum = convolutionSum(i, y, all, weights, window);
        sum.add(data.bias![position(i, y)[1]]!, 1);
        return sum;
      });
    },
  };
}

function inputGradient({ x, concat, weight, y, window }: Shapes): Parts {
  const dx: Sides = [x[0], weight[1], x[2], x[3]];
  return {
    inputs: { weight, dy: y },
    build({ weight, dy }) {
      // Only the shapes of the inputs matter: nothing computes or reads them.
      const [first, second] = [fill(x, 0), concat ? fill(x, 0) : undefined];
      const result = conv2d(first, weight!, undefined, { ...window, ...(second && { concat: second }) });
      const [dx, dconcat] = grad([result], second ? [first, second] : [first], [dy!]);
      return { dx: dx!, ...(dconcat && { dconcat }) };
    },
    check(data, uniform) {
      const [dy, weights] = [array(data.dy, y), array(data.weight, weight)];
      const got = joined(data, "dx", "dconcat", x).data;
      return worstError(got, uniform, (i) => adjointSum(i, dx, dy, weights, window));
    },
  };
}

function weightGradient({ x, concat, weight, y, window }: Shapes): Parts {
  return {
    inputs: { x, ...(concat && { concat: x }), dy: y },
    build({ x, concat, dy }) {
      const weights = fill(weight, 0);
      const result = conv2d(x!, weights, undefined, { ...window, ...(concat && { concat }) });
      return { dweight: grad([result], [weights], [dy!])[0]! };
    },
    check(data, uniform) {
      const [all, dy] = [joined(data, "x", "concat", x), array(data.dy, y)];
      return worstError(data.dweight!, uniform, (i) => weightSum(i, weight, all, dy, window), 50);
    },
  };
}

function array(data: Arrays[string] | undefined, shape: Sides): Array4 {
  return { shape, data: data! };
}

function joined(data: Arrays, first: string, second: string, shape: Sides): Array4 {
  const x = array(data[first], shape);
  return data[second] ? joinChannels(x, array(data[second], shape)) : x;
}
