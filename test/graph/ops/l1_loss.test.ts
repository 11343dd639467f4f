import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { l1Loss } from "../../../src/graph/ops/l1_loss.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/l1_loss.js";
import { testDevice } from "../../device.js";
import { checkOperation, type Random } from "./check.js";

const SPECIAL = [[1], [1, 1, 1, 1], [2, 3, 5, 7], [4097], [1, 3, 40, 61], [9, 100]];

function sampleShape(random: Random, i: number): readonly number[] {
  return SPECIAL[i] ?? Array.from({ length: random.int(1, 4) }, () => random.int(1, 9));
}

describe("l1_loss", () => {
  // All summands are positive, so that the loss is its own Σ|terms|; a difference is rounded once. The target keeps
  // 0.001 away from the prediction, where the loss has no kink within the central difference's step.
  checkOperation<null>("l1_loss", {
    cases: 54,
    sample: (random, i) => {
      const pred = random.array(sampleShape(random, i));
      const target = map(pred, (value) => {
        const distance = 2 * random.next() - 1;
        return Math.fround(value + distance + Math.sign(distance) * 0.001);
      });
      return { inputs: { pred, target }, attributes: null };
    },
    graph: ({ pred, target }) => ({ loss: l1Loss(pred as Tensor, target as Tensor) }),
    reference: ({ pred, target }) => ({ loss: reference.l1Loss(pred as NdArray, target as NdArray) }),
    gradient({ pred, target }, { loss }) {
      const { dpred, dtarget } = gradients(pred, target, loss);
      return { pred: dpred, target: dtarget };
    },
    terms: ({ pred }) => pred?.data.length ?? 0,
    magnitude: ({ pred, target }) => ({ loss: reference.l1Loss(pred as NdArray, target as NdArray) }),
    gradientMagnitude({ pred, target }, { loss }) {
      const { dpred, dtarget } = gradients(pred, target, loss);
      return { pred: map(dpred, Math.abs), target: map(dtarget, Math.abs) };
    },
  });

  it("has gradient 0 where prediction and target are equal", async () => {
    const plan = await compile(await testDevice(), { pred: [4], target: [4] }, ({ pred, target }) => {
      const [dpred, dtarget] = grad(l1Loss(pred, target), [pred, target]) as [Tensor, Tensor];
      return { dpred, dtarget };
    });
    const got = dataOf(
      await plan.run({ pred: new Float32Array([0, 1, 2, -1]), target: new Float32Array([0, 1, 1, 1]) }),
    );
    plan.dispose();
    expect([...got.dpred]).to.deep.equal([0, 0, 0.25, -0.25]);
    expect([...got.dtarget].map((value) => value + 0)).to.deep.equal([0, 0, -0.25, 0.25]);
  });

  it("refuses shapes that differ, even where they would broadcast", () => {
    const build = (shape: number[]) => trace(() => l1Loss(input("prediction", [2, 3]), input("target", shape)));
    expect(() => build([3])).to.throw(ShapeError, "l1_loss: target has shape [3]");
    expect(build([2, 3]).result.shape).to.deep.equal([]);
  });
});

function gradients(pred: NdArray | undefined, target: NdArray | undefined, loss: NdArray | undefined) {
  return reference.l1LossGradient(pred as NdArray, target as NdArray, loss?.data[0] as number);
}
