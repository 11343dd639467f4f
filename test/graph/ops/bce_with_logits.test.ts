import { expect } from "chai";
import { bceWithLogits } from "../../../src/graph/ops/bce_with_logits.js";
import { add, scale, sub } from "../../../src/graph/ops/pointwise.js";
import { mean } from "../../../src/graph/ops/reduce.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import { GraphError, type Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/bce_with_logits.js";
import { testDevice } from "../../device.js";
import { checkOperation } from "./check.js";

interface Attributes {
  readonly label: 0 | 1;
}

const SHAPES = [[1, 1], [9, 1], [2, 1], [], [4097], [3, 5, 7]];

describe("bce_with_logits", () => {
  // Every summand is positive. WGSL's exp errs by 3 + 2|x| units in the last place; it enters the logarithm (at most 1)
  // and, relatively, the gradient.
  checkOperation<Attributes>("bce_with_logits", {
    cases: 52,
    sample: (random, i) => ({
      inputs: { x: random.array(SHAPES[i] ?? [random.int(1, 9), random.int(1, 9)], random.pick([1, 4, 60])) },
      attributes: { label: i % 2 === 0 ? 1 : 0 },
    }),
    graph: ({ x }, { label }) => ({ loss: bceWithLogits(x as Tensor, label) }),
    reference: ({ x }, { label }) => ({ loss: reference.bceWithLogits(x as NdArray, label) }),
    gradient: ({ x }, { loss }, { label }) => ({
      x: reference.bceWithLogitsGradient(x as NdArray, label, factor(loss)),
    }),
    terms: ({ x }) => x?.data.length ?? 0,
    magnitude({ x }, { label }) {
      const spread = Math.max(...(x?.data ?? []).map((value) => (2 + Math.abs(value)) * Math.exp(-Math.abs(value))));
      return { loss: map(reference.bceWithLogits(x as NdArray, label), (loss) => loss + spread) };
    },
    gradientMagnitude({ x }, { loss }, { label }) {
      const gradient = reference.bceWithLogitsGradient(x as NdArray, label, Math.abs(factor(loss)));
      return { x: map(gradient, (value, i) => Math.abs(value) * (2 + Math.abs(x?.data[i] as number))) };
    },
  });

  it("is exact to all digits where the loss is small, and finite where logits are huge", async () => {
    const plan = await compile(await testDevice(), { x: [1], far: [2] }, ({ x, far }) => ({
      near: bceWithLogits(x, 1),
      far: bceWithLogits(far, 0),
    }));
    const { near, far } = dataOf(await plan.run({ x: new Float32Array([12]), far: new Float32Array([3000, -3000]) }));
    plan.dispose();
    expect((near[0] as number) / Math.log1p(Math.exp(-12))).to.be.closeTo(1, 4e-6);
    expect(far[0]).to.equal(1500);
  });

  it("makes the relativistic loss, whose gradient runs through both means", async () => {
    const plan = await compile(await testDevice(), { real: [3, 1], fake: [3, 1] }, ({ real, fake }) => {
      const loss = scale(add(bceWithLogits(sub(real, mean(fake)), 1), bceWithLogits(sub(fake, mean(real)), 0)), 0.5);
      const [dreal, dfake] = grad(loss, [real, fake]) as [Tensor, Tensor];
      return { loss, dreal, dfake };
    });
    const real = [0.5, -1, 2];
    const fake = [-0.25, 1, 0.75];
    const got = dataOf(await plan.run({ real: Float32Array.from(real), fake: Float32Array.from(fake) }));
    plan.dispose();
    const relativistic = (r: number[], f: number[]) => {
      const average = (values: number[]) => values.reduce((sum, value) => sum + value / 3, 0);
      return (
        0.5 * average(r.map((value) => Math.log1p(Math.exp(average(f) - value)))) +
        0.5 * average(f.map((value) => Math.log1p(Math.exp(value - average(r)))))
      );
    };
    expect(got.loss[0]).to.be.closeTo(relativistic(real, fake), 1e-6);
    for (const i of [0, 1, 2]) {
      const moved = (values: number[], by: number) => values.map((value, k) => value + (k === i ? by : 0));
      const slope = (f: (by: number) => number) => (f(1e-5) - f(-1e-5)) / 2e-5;
      expect(got.dreal[i]).to.be.closeTo(
        slope((by) => relativistic(moved(real, by), fake)),
        1e-6,
      );
      expect(got.dfake[i]).to.be.closeTo(
        slope((by) => relativistic(real, moved(fake, by))),
        1e-6,
      );
    }
  });

  it("knows the labels 0 and 1 alone", () => {
    const build = (label: number) => trace(() => bceWithLogits(input("x", [2, 1]), label)).result.shape;
    expect(() => build(0.9)).to.throw(GraphError, "bce_with_logits: the label is 0.9");
    expect(build(0)).to.deep.equal([]);
  });
});

function factor(loss: NdArray | undefined): number {
  return loss?.data[0] as number;
}
