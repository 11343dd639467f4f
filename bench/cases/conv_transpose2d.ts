/** Transposed convolution and its gradients where MASA's decoder doubles the sides. */

import { convTranspose2d } from "../../src/graph/ops/conv_transpose2d.js";
import { fill } from "../../src/graph/ops/pointwise.js";
import { grad } from "../../src/graph/trace/grad.js";
import { bytesOf, type Case, elements, label, type Sides, type Suite } from "../case.js";
import { type Array4, adjointSum, convolutionSum, position, weightSum, worstError } from "../oracle.js";

const SHAPES: readonly Sides[] = [1, 9].flatMap((N) => [80, 40].map((side): Sides => [N, 64, side, side]));
const KERNEL = 3;
const WINDOW = { stride: 2, padding: 1 };
const OPTIONS = { ...WINDOW, outputPadding: 1 };

export const convTranspose2dCases: Suite = (shapes = SHAPES) => shapes.flatMap(transposedCases);

/** It is the adjoint of a convolution: each check is the convolution's with the roles of x and y exchanged. */
function transposedCases(x: Sides): Case[] {
  const [N, C, H, W] = x;
  const weight: Sides = [C, C, KERNEL, KERNEL];
  const y: Sides = [N, C, 2 * H, 2 * W];
  const work = {
    flops: 2 * elements(x) * C * KERNEL ** 2,
    bytes: bytesOf(x, weight, y),
    large: N * H * W > 2 * 80 ** 2,
  };
  const forward: Case = {
    ...work,
    name: `conv_transpose2d forward ${C}-${C} stride 2 ${label(x)}`,
    inputs: { x, weight, bias: [C] },
    build: ({ x, weight, bias }) => ({ y: convTranspose2d(x!, weight!, bias, OPTIONS) }),
    check: (data, uniform) =>
      worstError(data.y!, uniform, (i) => {
        const sum = adjointSum(i, y, array(data.x, x), array(data.weight, weight), WINDOW);
        sum.add(data.bias![position(i, y)[1]]!, 1);
        return sum;
      }),
  };
  const inputGradient: Case = {
    ...work,
    name: `conv_transpose2d dx ${C}-${C} stride 2 ${label(x)}`,
    inputs: { weight, dy: y },
    build({ weight, dy }) {
      const unread = fill(x, 0);
      return { dx: grad([convTranspose2d(unread, weight!, undefined, OPTIONS)], [unread], [dy!])[0]! };
    },
    check: (data, uniform) =>
      worstError(data.dx!, uniform, (i) => convolutionSum(i, x, array(data.dy, y), array(data.weight, weight), WINDOW)),
  };
  const weightGradient: Case = {
    ...work,
    name: `conv_transpose2d dweight ${C}-${C} stride 2 ${label(x)}`,
    inputs: { x, dy: y },
    build({ x, dy }) {
      const unread = fill(weight, 0);
      return { dweight: grad([convTranspose2d(x!, unread, undefined, OPTIONS)], [unread], [dy!])[0]! };
    },
    check: (data, uniform) =>
      worstError(data.dweight!, uniform, (i) => weightSum(i, weight, array(data.dy, y), array(data.x, x), WINDOW), 50),
  };
  return [forward, inputGradient, weightGradient];
}

function array(data: Array4["data"] | undefined, shape: Sides): Array4 {
  return { shape, data: data! };
}
