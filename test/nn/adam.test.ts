import { expect } from "chai";
import { ShapeError } from "../../src/gpu/errors.js";
import { square } from "../../src/graph/ops/pointwise.js";
import { sum } from "../../src/graph/ops/reduce.js";
import { compile } from "../../src/graph/plan/plan.js";
import { grad } from "../../src/graph/trace/grad.js";
import { input, trace } from "../../src/graph/trace/graph.js";
import { Parameters } from "../../src/graph/trace/parameters.js";
import { GraphError } from "../../src/graph/trace/tensor.js";
import { reshape } from "../../src/graph/trace/view.js";
import { GradientAccumulator } from "../../src/nn/accumulation.js";
import { Adam, type AdamOptions } from "../../src/nn/adam.js";
import { Ema } from "../../src/nn/ema.js";
import * as reference from "../../src/reference/adam.js";
import { ndarray } from "../../src/reference/array.js";
import { testDevice } from "../device.js";

/** A parameter [3] that starts at 2, with its optimiser, on the GPU. */
async function start(options: Partial<AdamOptions> = {}) {
  const device = await testDevice();
  const parameters = new Parameters();
  const weight = parameters.declare("weight", [3], (data) => data.fill(2));
  const adam = new Adam(parameters, { lr: 0.1, ...options });
  await parameters.allocate(device);
  await adam.allocate(device);
  const dispose = () => {
    adam.dispose();
    parameters.dispose();
  };
  return { device, parameters, weight, adam, dispose };
}

describe("Adam", () => {
  for (const options of [{}, { betas: [0.5, 0.9], eps: 1e-3, weightDecay: 0.1 }] as const)
    it(`counts its steps and takes a new learning rate (${JSON.stringify(options)})`, async () => {
      const { device, parameters, weight, adam, dispose } = await start(options);
      const plan = await compile(device, { g: [3] }, ({ g }) => {
        adam.step([g]);
        return {};
      });
      let state = { parameter: ndarray([3], [2, 2, 2]), expAvg: ndarray([3]), expAvgSq: ndarray([3]) };
      const gradients = [1, 0.5, 0.25];
      for (const [i, lr] of [0.1, 0.01, 0.001].entries()) {
        adam.lr = lr;
        const g = gradients.map((value) => value * (i + 1));
        await plan.run({ g: Float32Array.from(g) });
        const settings = { betas: [0.9, 0.999] as [number, number], eps: 1e-8, ...options, lr, step: i + 1 };
        state = reference.adam(state, ndarray([3], g), settings) as typeof state;
        expect(adam.steps).to.equal(i + 1);
        expect(adam.updated).to.equal(true);
        expect(adam.gradientNorm).to.be.closeTo(Math.hypot(...g), 1e-6);
      }
      const got = await parameters.read(weight);
      plan.dispose();
      dispose();
      for (const [i, value] of got.entries()) expect(value).to.be.closeTo(state.parameter.data[i]!, 1e-6);
    });

  it("skips a step that is not finite, names the cause, and goes on from where it was", async () => {
    const { device, parameters, weight, adam, dispose } = await start({ losses: ["rec", "total"] });
    const plan = await compile(device, { g: [3], rec: [], total: [] }, ({ g, ...losses }) => {
      adam.step([g], { losses });
      return {};
    });
    const run = (g: number[], rec: number, total: number) =>
      plan.run({ g: Float32Array.from(g), rec: Float32Array.of(rec), total: Float32Array.of(total) });
    for (const [g, rec, total, fault] of [
      [[1, NaN, 1], 1, 1, "the gradient of weight"],
      [[1, 1, Infinity], NaN, 1, "the loss rec"],
      [[1, 1, 1], 1, -Infinity, "the loss total"],
    ] as const) {
      await run([...g], rec, total);
      expect(adam.updated).to.equal(false);
      expect(adam.steps).to.equal(0);
      expect(await adam.fault()).to.equal(fault);
      expect([...(await parameters.read(weight))]).to.deep.equal([2, 2, 2]);
    }
    await run([1, 1, 1], 1, 1);
    expect([adam.updated, adam.steps, await adam.fault()]).to.deep.equal([true, 1, undefined]);
    // The first step is lr against the gradient's sign, whatever was skipped before.
    expect((await parameters.read(weight))[0]).to.be.closeTo(1.9, 1e-6);
    plan.dispose();
    dispose();
  });

  it("clips the common norm of the gradients", async () => {
    const { device, adam, dispose } = await start({ betas: [0, 0] });
    const plan = await compile(device, { g: [3] }, ({ g }) => {
      adam.step([g], { clipNorm: 1 });
      return { moment: adam.state.get("weight/exp_avg") };
    });
    const { moment } = await plan.run({ g: Float32Array.of(3, 0, 4) });
    expect([...moment.floats].map((value) => Number(value.toFixed(5)))).to.deep.equal([0.6, 0, 0.8]);
    expect(adam.gradientNorm).to.equal(5);
    plan.dispose();
    dispose();
  });

  it("waits for the gate of another optimiser", async () => {
    const [one, two] = [await start(), await start()];
    const plan = await compile(one.device, { a: [3], b: [3] }, ({ a, b }) => {
      const gate = one.adam.step([a]);
      two.adam.step([b], { gate });
      return {};
    });
    const good = Float32Array.of(1, 1, 1);
    await plan.run({ a: Float32Array.of(NaN, 1, 1), b: good });
    expect([one.adam.updated, two.adam.updated, await two.adam.fault()]).to.deep.equal([false, false, undefined]);
    await plan.run({ a: good, b: good });
    expect([one.adam.steps, two.adam.steps]).to.deep.equal([1, 1]);
    plan.dispose();
    one.dispose();
    two.dispose();
  });

  it("goes on from its saved state", async () => {
    const [one, two] = [await start(), await start()];
    const plan = await compile(one.device, { g: [3] }, ({ g }) => {
      one.adam.step([g]);
      two.adam.step([g]);
      return {};
    });
    await plan.run({ g: Float32Array.of(1, -2, 3) });
    const state = await one.adam.stateDict();
    expect([...state.keys()]).to.deep.equal(["weight/exp_avg", "weight/exp_avg_sq", "step"]);
    await plan.run({ g: Float32Array.of(3, 3, 3) });
    two.adam.loadStateDict(state);
    expect(two.adam.steps).to.equal(1);
    expect(await two.adam.stateDict()).to.deep.equal(state);
    expect(() => two.adam.loadStateDict(new Map())).to.throw(GraphError, "the state has no step");
    plan.dispose();
    one.dispose();
    two.dispose();
  });

  it("refuses a second step in a graph, gradients that do not match, and a loss that is missing", async () => {
    const { adam, dispose } = await start({ losses: ["total"] });
    const losses = () => ({ total: input("total", []) });
    const step = (count: number) =>
      adam.step(
        Array.from({ length: count }, () => input("g", [3])),
        { losses: losses() },
      );
    expect(() => trace(() => step(2))).to.throw(ShapeError, "adam: gradients holds 2 tensors for 1 parameters");
    expect(() => trace(() => [step(1), step(1)])).to.throw(GraphError, "a second step in one graph");
    expect(() => trace(() => adam.step([input("g", [3])]))).to.throw(GraphError, "the loss total is missing");
    expect(() => new Adam([], { lr: 1 })).to.throw(GraphError, "adam has no parameters");
    dispose();
  });
});

describe("GradientAccumulator", () => {
  it("averages micro-batches, and reset drops the batch before, even NaN", async () => {
    const { device, parameters, weight, adam, dispose } = await start();
    const sums = new GradientAccumulator(parameters, { microBatches: 2, losses: ["loss"] });
    await sums.allocate(device);
    const gather = await compile(device, { x: [3] }, ({ x }) => {
      const loss = reshape(sum(square(x)), []);
      sums.add(grad(loss, [x]), { loss });
      return {};
    });
    const update = await compile(device, {}, () => {
      adam.step(sums.gradients);
      return { gradient: sums.gradients[0]!, loss: sums.losses.loss! };
    });
    const batch = async (...parts: number[][]) => {
      sums.reset();
      for (const part of parts) await gather.run({ x: Float32Array.from(part) });
      const { gradient, loss } = await update.run({});
      return [[...gradient.data], ...loss.data];
    };
    await batch([1, NaN, 1], [1, 1, 1]);
    expect(adam.updated).to.equal(false);
    expect(await batch([1, 2, 3], [3, 2, 1])).to.deep.equal([[4, 4, 4], 14]);
    expect(await batch([1, 0, 0], [0, 1, 0])).to.deep.equal([[1, 1, 0], 1]);
    expect(adam.steps).to.equal(2);
    expect((await parameters.read(weight))[2]).to.be.below(2);
    for (const part of [gather, update, sums]) part.dispose();
    dispose();
  });
});

describe("Ema", () => {
  it("starts as a copy and follows behind the gate", async () => {
    const { device, parameters, adam, dispose } = await start({ lr: 1 });
    const average = new Parameters();
    average.declare("weight", [3], (data) => data.fill(7));
    const ema = new Ema(average, parameters, { decay: 0.75 });
    await ema.allocate(device);
    const read = async () => [...(await average.read(average.get("weight")))];
    expect(await read()).to.deep.equal([2, 2, 2]);
    const plan = await compile(device, { g: [3] }, ({ g }) => {
      ema.update(adam.step([g]));
      return {};
    });
    await plan.run({ g: Float32Array.of(1, 1, NaN) });
    expect(await read()).to.deep.equal([2, 2, 2]);
    await plan.run({ g: Float32Array.of(1, -1, 1) });
    // Adam's first step is lr against the sign: 2 → 1 or 3.
    expect((await read()).map((value) => Number(value.toFixed(5)))).to.deep.equal([1.75, 2.25, 1.75]);
    plan.dispose();
    ema.dispose();
    dispose();
  });

  it("refuses another network and a decay outside [0, 1]", () => {
    const [one, other] = [new Parameters(), new Parameters()];
    one.declare("a", [1], () => {});
    other.declare("b", [1], () => {});
    expect(() => new Ema(other, one, { decay: 0.9 })).to.throw(GraphError, "there is no parameter b");
    expect(() => new Ema(one, one, { decay: 1.5 })).to.throw(GraphError, "the decay is 1.5");
  });
});
