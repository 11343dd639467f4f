import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { mseLoss } from "../../../src/graph/ops/mse_loss.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/mse_loss.js";
import { checkOperation, type Random } from "./check.js";

const SPECIAL = [[1], [1, 1, 1, 1], [2, 3, 5, 7], [4097], [1, 3, 40, 61], [9, 100]];

function sampleShape(random: Random, i: number): readonly number[] {
  return SPECIAL[i] ?? Array.from({ length: random.int(1, 4) }, () => random.int(1, 9));
}

describe("mse_loss", () => {
  // All summands are positive, so that the loss is its own Σ|terms|; a difference is rounded once.
  checkOperation<null>("mse_loss", {
    cases: 54,
    sample: (random, i) => {
      const shape = sampleShape(random, i);
      return { inputs: { pred: random.array(shape, 2), target: random.array(shape, 1, 0.5) }, attributes: null };
    },
    graph: ({ pred, target }) => ({ loss: mseLoss(pred as Tensor, target as Tensor) }),
    reference: ({ pred, target }) => ({ loss: reference.mseLoss(pred as NdArray, target as NdArray) }),
    gradient({ pred, target }, { loss }) {
      const { dpred, dtarget } = gradients(pred, target, loss);
      return { pred: dpred, target: dtarget };
    },
    terms: ({ pred }) => pred?.data.length ?? 0,
    magnitude: ({ pred, target }) => ({ loss: reference.mseLoss(pred as NdArray, target as NdArray) }),
    gradientMagnitude({ pred, target }, { loss }) {
      const { dpred, dtarget } = gradients(pred, target, loss);
      return { pred: map(dpred, Math.abs), target: map(dtarget, Math.abs) };
    },
  });

  it("refuses shapes that differ, even where they would broadcast", () => {
    const build = (shape: number[]) => trace(() => mseLoss(input("prediction", [2, 3]), input("target", shape)));
    expect(() => build([1, 3])).to.throw(ShapeError, "mse_loss: target has shape [1,3]");
    expect(build([2, 3]).result.shape).to.deep.equal([]);
  });
});

function gradients(pred: NdArray | undefined, target: NdArray | undefined, loss: NdArray | undefined) {
  return reference.mseLossGradient(pred as NdArray, target as NdArray, loss?.data[0] as number);
}
