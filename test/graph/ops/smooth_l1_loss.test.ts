import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { smoothL1Loss } from "../../../src/graph/ops/smooth_l1_loss.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import { l1Loss } from "../../../src/reference/l1_loss.js";
import * as reference from "../../../src/reference/smooth_l1_loss.js";
import { checkOperation, type Random } from "./check.js";

const SPECIAL = [[1], [1, 1, 1, 1], [2, 3, 5, 7], [4097], [1, 3, 40, 61], [9, 100]];

function sampleShape(random: Random, i: number): readonly number[] {
  return SPECIAL[i] ?? Array.from({ length: random.int(1, 4) }, () => random.int(1, 9));
}

describe("smooth_l1_loss", () => {
  // Each summand is a distance and at most beta / 2, from which beta / 2 is taken in the end; a gradient is 1 and at most −1.
  checkOperation<{ beta: number }>("smooth_l1_loss", {
    cases: 54,
    sample: (random, i) => {
      const shape = sampleShape(random, i);
      const inputs = { pred: random.array(shape, 2), target: random.array(shape, 1, 0.5) };
      return { inputs, attributes: { beta: [0.25, 1, 4][i % 3] as number } };
    },
    graph: ({ pred, target }, { beta }) => ({ loss: smoothL1Loss(pred as Tensor, target as Tensor, beta) }),
    reference: ({ pred, target }, { beta }) => ({
      loss: reference.smoothL1Loss(pred as NdArray, target as NdArray, beta),
    }),
    gradient({ pred, target }, { loss }, { beta }) {
      const dloss = loss?.data[0] as number;
      const { dpred, dtarget } = reference.smoothL1LossGradient(pred as NdArray, target as NdArray, beta, dloss);
      return { pred: dpred, target: dtarget };
    },
    terms: ({ pred }) => pred?.data.length ?? 0,
    magnitude: ({ pred, target }, { beta }) => ({
      loss: map(l1Loss(pred as NdArray, target as NdArray), (distance) => distance + beta),
    }),
    gradientMagnitude({ pred }, { loss }) {
      const all = map(pred as NdArray, () => (2 * Math.abs(loss?.data[0] as number)) / (pred as NdArray).data.length);
      return { pred: all, target: all };
    },
  });

  it("is the L1 loss less half of beta far from the target, and a parabola near it", () => {
    const at = (pred: number) => reference.smoothL1Loss(ndarray([1], [pred]), ndarray([1], [0]), 0.5).data[0];
    expect([at(-3), at(0.5), at(0.25), at(0)]).to.deep.equal([2.75, 0.25, 0.0625, 0]);
  });

  it("refuses shapes that differ, and no width", () => {
    const build = (shape: number[], beta = 1) =>
      trace(() => smoothL1Loss(input("prediction", [2, 3]), input("target", shape), beta));
    expect(() => build([3])).to.throw(ShapeError, "smooth_l1_loss: target has shape [3]");
    expect(() => build([2, 3], 0)).to.throw(ShapeError, "smooth_l1_loss: beta is 0");
    expect(build([2, 3]).result.shape).to.deep.equal([]);
  });
});
