import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { linear } from "../../../src/graph/ops/linear.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import type { NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/linear.js";
import { checkOperation } from "./check.js";

/** N, inputs, outputs: one of each, the discriminator's last layer, batches that end within four rows, a long row. */
const SPECIAL = [
  [1, 1, 1],
  [2, 100, 1],
  [9, 100, 1],
  [4, 64, 7],
  [5, 65, 3],
  [2, 3200, 10],
  [3, 63, 70],
] as const;

describe("linear", () => {
  for (const withBias of [true, false])
    checkOperation<null>(withBias ? "linear with bias" : "linear", {
      cases: 28,
      sample: (random, i) => {
        const [N, inner, outputs] = SPECIAL[i] ?? [random.int(1, 9), random.int(1, 200), random.int(1, 20)];
        const inputs = { x: random.array([N, inner]), weight: random.array([outputs, inner]) };
        return { inputs: withBias ? { ...inputs, bias: random.array([outputs]) } : inputs, attributes: null };
      },
      graph: ({ x, weight, bias }) => ({ y: linear(x as Tensor, weight as Tensor, bias) }),
      reference: ({ x, weight, bias }) => ({ y: reference.linear(x as NdArray, weight as NdArray, bias) }),
      gradient({ x, weight }, { y }) {
        const { dx, dweight, dbias } = reference.linearGradient(x as NdArray, weight as NdArray, y as NdArray);
        return { x: dx, weight: dweight, ...(withBias && { bias: dbias }) };
      },
      linear: withBias ? [] : ["x", "weight"],
      terms: ({ x, weight }) => Math.max(...(x?.shape ?? []), ...(weight?.shape ?? [])) + 1,
    });

  it("refuses operands that do not fit, naming the tensor", () => {
    const build = (x: number[], weight: number[], bias: number[]) =>
      trace(() => linear(input("features", x), input("weight", weight), input("bias", bias))).result.shape;
    expect(() => build([2, 3, 4], [5, 3], [5])).to.throw(ShapeError, "linear: features has shape [2,3,4]");
    expect(() => build([2, 3], [3, 5], [5])).to.throw(ShapeError, "linear: weight has shape [3,5], not [outputs, 3]");
    expect(() => build([2, 3], [5, 3], [3])).to.throw(ShapeError, "linear: bias has shape [3], not [5]");
    expect(build([2, 3], [5, 3], [5])).to.deep.equal([2, 5]);
  });
});
