/** Instance normalisation as the adaptation module uses it: two passes over memory and hardly any arithmetic. */

import { instanceNorm } from "../../src/graph/ops/instance_norm.js";
import { grad } from "../../src/graph/trace/grad.js";
import * as reference from "../../src/reference/instance_norm.js";
import { bytesOf, type Case, elements, label, type Sides, type Suite } from "../case.js";
import { plane, rounding, worstPlaneError } from "../oracle.js";

const SHAPES: readonly Sides[] = [
  [1, 64, 160, 160],
  [1, 64, 80, 80],
  [9, 64, 40, 40],
];
const EPS = 1e-5;

export const instanceNormCases: Suite = (shapes = SHAPES) =>
  shapes.flatMap((shape) => [forward(shape), inputGradient(shape)]);

function forward(shape: Sides): Case {
  return {
    name: `instance_norm forward ${label(shape)}`,
    // Mean (1 an element), variance (3), y (2).
    flops: 6 * elements(shape),
    bytes: bytesOf(shape, shape),
    inputs: { x: shape },
    build: ({ x }) => ({ y: instanceNorm(x!, EPS) }),
    check: ({ x, y }, uniform) =>
      worstPlaneError(y!, shape, uniform, (p) => {
        const values = plane(x!, shape, p);
        const bound = rounding(values.data.length) * forwardSize(values.data).size;
        return { values: reference.instanceNorm(values, EPS).data, bounds: () => bound };
      }),
  };
}

function inputGradient(shape: Sides): Case {
  return {
    name: `instance_norm dx ${label(shape)}`,
    // Two means (3 an element), y (2), dx (4).
    flops: 9 * elements(shape),
    bytes: bytesOf(shape, shape, shape),
    inputs: { x: shape, dy: shape },
    build: ({ x, dy }) => ({ dx: grad([instanceNorm(x!, EPS)], [x!], [dy!])[0]! }),
    check: ({ x, dy, dx }, uniform) =>
      worstPlaneError(dx!, shape, uniform, (p) => {
        const [values, upstream] = [plane(x!, shape, p), plane(dy!, shape, p)];
        const { size, std } = forwardSize(values.data);
        const most = upstream.data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
        // dx = (dy − mean(dy) − y·mean(dy·y)) / std; both factors of the last term are at most `size` or `size`·|dy|.
        const bound = (rounding(values.data.length) * (2 + 2 * size ** 2) * most) / std;
        return { values: reference.instanceNormGradient(values, upstream, EPS).data, bounds: () => bound };
      }),
  };
}

/** Σ|terms| of y, as test/graph/ops/instance_norm.test.ts derives it, and the standard deviation. */
function forwardSize(x: Float64Array): { size: number; std: number } {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  const spread = x.reduce((most, value) => Math.max(most, Math.abs(value - mean)), 0);
  const std = Math.sqrt(variance + EPS);
  return { size: (Math.abs(mean) / Math.sqrt(x.length) + 3 * spread) / std, std };
}
