import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { ADAM_HYPER_LENGTH, adam, adamHyper, type Moments } from "../../../src/graph/ops/adam.js";
import { square } from "../../../src/graph/ops/pointwise.js";
import { sum } from "../../../src/graph/ops/reduce.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import { Parameters, zeros } from "../../../src/graph/trace/parameters.js";
import { GraphError, type Tensor, type Variable } from "../../../src/graph/trace/tensor.js";
import * as reference from "../../../src/reference/adam.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import { testDevice } from "../../device.js";
import { Random } from "./check.js";
import { allocate as allocateValues, bits, fromBits } from "./variables.js";

const STEPS = 3;
const HYPER = [ADAM_HYPER_LENGTH];

/** Parameters of the given shapes with their moments, on the GPU. */
async function allocate(shapes: readonly (readonly number[])[]) {
  const parameters = new Parameters();
  const declare = (kind: string) => shapes.map((shape, i) => parameters.declare(`${kind} ${i}`, shape, zeros));
  const weights = declare("weight");
  const moments: Moments = { expAvg: declare("exp_avg"), expAvgSq: declare("exp_avg_sq") };
  await parameters.allocate(await testDevice());
  return { parameters, weights, moments };
}

/** A step of the reference, and of Σ|terms| of the first moment and of the parameter. */
function referenceStep(
  { state, sizes }: { state: reference.AdamState; sizes: { m: NdArray; p: NdArray } },
  gradient: NdArray,
  settings: reference.AdamSettings,
  gate: NdArray | undefined,
) {
  const next = reference.adam(state, gradient, settings, gate);
  const positive = reference.adam({ ...state, expAvg: sizes.m }, map(gradient, Math.abs), settings, gate);
  const p = map(sizes.p, (size, i) => size + Math.abs(at(positive.parameter, i) - at(state.parameter, i)));
  return { state: next, sizes: { m: positive.expAvg, p } };
}

const at = (array: NdArray, i: number) => array.data[i] as number;

describe("adam", () => {
  for (let i = 0; i < 50; i++) {
    const random = new Random(`adam ${i}`);
    const shape =
      [[1], [64], [65], [4, 3, 3, 3]][i] ?? Array.from({ length: random.int(1, 3) }, () => random.int(1, 9));
    const settings = {
      lr: random.pick([1e-4, 1e-3, 0.1]),
      betas: random.pick([
        [0.9, 0.999],
        [0, 0.9],
      ]) as [number, number],
      eps: random.pick([1e-8, 1e-3]),
      weightDecay: random.pick([0, 0.01]),
    };
    const scale = random.pick([1, 1e-2, 3e-8]);
    const gate = random.pick([undefined, [1, 1, 2], [1, 0.3, 2], [0, 0, 2]]);
    it(`adam [${shape}] ${JSON.stringify(settings)}, gradients of ${scale}, gate ${gate}`, async () => {
      const { parameters, weights, moments } = await allocate([shape]);
      const decays = settings.weightDecay !== 0;
      // With weight decay parameters and gradients are positive: the terms of g do not cancel, and its error is relative.
      const sign = (x: NdArray, least: number) =>
        decays ? map(x, (value) => Math.fround(least + Math.abs(value))) : x;
      const start = sign(random.array(shape, 0.1), 1);
      parameters.write(weights[0] as Variable, Float32Array.from(start.data));
      const plan = await compile(await testDevice(), { g: shape, hyper: HYPER, gate: [3] }, (t) => {
        adam(weights, [t.g], moments, t.hyper, gate && t.gate, decays);
        return {};
      });
      const passed = Float32Array.from(gate ?? [0, 0, 0]);
      const zero = ndarray(shape);
      let expected = {
        state: { parameter: start, expAvg: zero, expAvgSq: zero },
        sizes: { m: zero, p: map(start, Math.abs) },
      };
      for (let step = 1; step <= STEPS; step++) {
        // Every third element never has a gradient: 0 / (0 + eps).
        const drawn = sign(random.array(shape, scale), 0);
        const g = map(drawn, (value, k) => (k % 3 === 2 ? 0 : Math.fround(value)));
        expected = referenceStep(expected, g, { ...settings, step }, gate && ndarray([3], passed));
        await plan.run({ g: Float32Array.from(g.data), hyper: adamHyper({ ...settings, step }), gate: passed });
      }
      const [p, m, v] = await Promise.all(
        [weights[0], moments.expAvg[0], moments.expAvgSq[0]].map((variable) => parameters.read(variable as Variable)),
      );
      plan.dispose();
      parameters.dispose();
      const { state, sizes } = expected;
      // A step rounds each value ten times at most (products, sums, the scalars, the gate's scale; WGSL's root and division
      // count more than once), relative to Σ|terms|; the second moment's terms are all positive. Weight decay adds a
      // product and a sum to the gradient.
      const unit = (decays ? 12 : 10) * STEPS * 2 ** -24;
      for (const [got, want, size] of [
        [p, state.parameter, sizes.p],
        [m, state.expAvg, sizes.m],
        [v, state.expAvgSq, state.expAvgSq],
      ] as const)
        for (const [k, value] of want.data.entries())
          expect(Math.abs((got?.[k] as number) - value), `element ${k}`).to.be.most(unit * at(size, k));
    });
  }

  it("takes β and 1 − β from float64: 1 − 0.999 keeps its digits", () => {
    const hyper = adamHyper({ lr: 1e-4, betas: [0.9, 0.999], step: 1 });
    expect(hyper.length).to.equal(ADAM_HYPER_LENGTH);
    expect([...hyper].map((value) => Number(value.toPrecision(7)))).to.deep.equal([
      1e-3, 31.62278, 0.9, 0.1, 0.999, 0.001, 1e-8, 0,
    ]);
  });

  it("writes nothing while the gate is closed: every bit stays, also of NaNs, whatever the gradient", async () => {
    const words = [0x7fc01234, 0x80000000, 1, 0x3f800000, 0xff800000];
    const { parameters, variables } = await allocateValues([ndarray([5]), ndarray([5]), ndarray([5])]);
    const [parameter, expAvg, expAvgSq] = variables as [Variable, Variable, Variable];
    for (const variable of variables) parameters.write(variable, fromBits(...words));
    const plan = await compile(await testDevice(), { g: [5], hyper: HYPER, gate: [3] }, ({ g, hyper, gate }) => {
      adam([parameter], [g], { expAvg: [expAvg], expAvgSq: [expAvgSq] }, hyper, gate);
      return {};
    });
    const hyper = adamHyper({ lr: 1, betas: [0.9, 0.999], step: 1 });
    const g = Float32Array.of(1, NaN, Infinity, -3, 1e30);
    await plan.run({ g, hyper, gate: Float32Array.of(0, 1, NaN) });
    for (const variable of variables) expect(bits(await parameters.read(variable))).to.deep.equal(words);
    await plan.run({ g, hyper, gate: Float32Array.of(1, 1, 1) });
    for (const variable of variables) expect(bits(await parameters.read(variable))[3]).not.to.equal(words[3]);
    plan.dispose();
    parameters.dispose();
  });

  it("moves several parameters by the gradients of one loss, taken before the step", async () => {
    const { parameters, weights, moments } = await allocate([[2], [3, 1]]);
    for (const weight of weights) parameters.write(weight, new Float32Array(weight.size).fill(2));
    const plan = await compile(await testDevice(), { hyper: HYPER }, ({ hyper }) => {
      const losses = weights.map((weight) => sum(square(weight)));
      adam(weights, grad(losses, weights), moments, hyper);
      return { losses: losses[1] as Tensor };
    });
    const runs = [];
    for (let step = 1; step <= 2; step++)
      runs.push(dataOf(await plan.run({ hyper: adamHyper({ lr: 0.5, betas: [0.9, 0.999], step }) })).losses[0]);
    const values = [...(await parameters.read(weights[1] as Variable))];
    plan.dispose();
    parameters.dispose();
    // The first step is lr against the sign of the gradient: 2 → 1.5, so that the second run starts at 3 · 1.5².
    expect(runs[0]).to.equal(12);
    expect(runs[1]).to.be.closeTo(6.75, 1e-5);
    expect(values[2]).to.be.below(1.1);
  });

  it("refuses what does not fit, and a gradient of what was updated already", async () => {
    const { parameters, weights, moments } = await allocate([[2], [3]]);
    const build = (sides: number[][], hyperLength = ADAM_HYPER_LENGTH, gate?: number[]) =>
      trace(() => {
        const grads = sides.map((shape, i) => input(`g${i}`, shape));
        adam(weights, grads, moments, input("scalars", [hyperLength]), gate && input("gate", gate));
      }).graph.nodes.length;
    expect(() => build([[2]])).to.throw(ShapeError, "adam: grads holds 1 tensors for 2 parameters");
    expect(() => build([[2], [2]])).to.throw(ShapeError, "the gradient of weight 1 has shape [2], not [3]");
    expect(() => build([[2], [3]], 5)).to.throw(ShapeError, "scalars has shape [5], not [8]");
    expect(() => adamHyper({ lr: 1, betas: [0.9, 0.999], step: 0 })).to.throw(GraphError, "the step is 0");
    expect(() => build([[2], [3]], ADAM_HYPER_LENGTH, [7])).to.throw(ShapeError, "gate has shape [7]; a gate is [3]");
    expect(build([[2], [3]])).to.equal(2);
    expect(() =>
      trace(() => {
        const loss = sum(square(weights[0] as Variable));
        adam(
          [weights[0] as Variable],
          [input("g", [2])],
          { expAvg: moments.expAvg.slice(0, 1), expAvgSq: moments.expAvgSq.slice(0, 1) },
          input("h", HYPER),
        );
        grad(loss, weights);
      }),
    ).to.throw(GraphError, "weight 0 was updated in place after square used it");
    parameters.dispose();
  });
});
