import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { batchNorm } from "../../../src/graph/ops/batch_norm.js";
import { sum } from "../../../src/graph/ops/reduce.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import { Parameters, zeros } from "../../../src/graph/trace/parameters.js";
import type { Tensor, Variable } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/batch_norm.js";
import { testDevice } from "../../device.js";
import { type Arrays, checkOperation, Random } from "./check.js";

type Sides = [number, number, number, number];

/** Running statistics for every number of channels in use: values first, variables once there is a device. */
const CHANNELS = [1, 2, 3, 4, 5, 6, 7, 8, 70];
const values = new Map<number, reference.Running>(
  CHANNELS.map((C) => {
    const random = new Random(`running ${C}`);
    return [C, { mean: random.array([C], 0.3), variance: random.array([C], 0.5, 1) }];
  }),
);
const parameters = new Parameters();
const variables = new Map<number, { mean: Variable; variance: Variable }>(
  CHANNELS.map((C) => [
    C,
    {
      mean: parameters.declare(`running_mean ${C}`, [C], zeros, false),
      variance: parameters.declare(`running_var ${C}`, [C], zeros, false),
    },
  ]),
);

function reset(): void {
  for (const [C, { mean, variance }] of variables) {
    parameters.write(mean, Float32Array.from(running(C).mean.data));
    parameters.write(variance, Float32Array.from(running(C).variance.data));
  }
}

const running = (C: number) => values.get(C) as reference.Running;

const SPECIAL: readonly Sides[] = [
  [2, 1, 1, 1],
  [1, 3, 1, 2],
  [9, 70, 2, 3],
  [1, 1, 64, 64],
  [2, 2, 67, 71],
  [3, 1, 90, 93],
];

/** f(channel, flat index) for every element of `x`. */
function perElement(x: NdArray, f: (c: number, i: number) => number): NdArray {
  const [, C, H, W] = x.shape as Sides;
  return map(x, (_, i) => f(Math.floor(i / (H * W)) % C, i));
}

const at = (array: NdArray | undefined, i: number) => array?.data[i] as number;

/**
 * For every channel 1/√(variance + eps), and the size of x̂ that its error is relative to. In training that is the
 * deviations, three times (from a first element, from the mean, in the variance), and the mean, which is rounded once
 * (the bound's √n is divided out of it); otherwise the deviations and the mean.
 */
function sizes(x: NdArray, { training, eps }: reference.BatchNormAttributes) {
  const C = x.shape[1] as number;
  const count = x.data.length / C;
  const batch = reference.updateRunning(x, { mean: ndarray([C]), variance: ndarray([C]) }, 1);
  const { mean, variance } = training ? batch : running(C);
  const factor = map(variance, (value) => 1 / Math.sqrt((training ? (value * (count - 1)) / count : value) + eps));
  const spread = ndarray([C]);
  perElement(x, (c, i) => (spread.data[c] = Math.max(at(spread, c), Math.abs(at(x, i) - at(mean, c)))));
  const size = map(
    mean,
    (value, c) => (Math.abs(value) / Math.sqrt(training ? count : 1) + 3 * at(spread, c)) * at(factor, c),
  );
  return { size, factor, count };
}

describe("batch_norm", () => {
  before(async () => {
    await parameters.allocate(await testDevice());
    reset();
  });
  after(() => parameters.dispose());

  for (const training of [true, false]) {
    checkOperation<reference.BatchNormAttributes>(`batch_norm ${training ? "training" : "evaluating"}`, {
      sample: (random, i) => {
        const shape = SPECIAL[i] ?? [random.int(1, 3), random.int(1, 8), random.int(2, 9), random.int(1, 11)];
        const C = shape[1] as number;
        const [scale, offset] = random.pick([
          [1, 0],
          [1, 0.3],
          [0.02, 1],
        ]) as [number, number];
        const inputs = {
          x: random.array(shape, scale, offset),
          weight: random.array([C], 0.5, 1),
          bias: random.array([C]),
        };
        return { inputs, attributes: { training, momentum: 0, eps: 1e-5 } };
      },
      graph({ x, weight, bias }, attributes) {
        const { mean, variance } = variables.get(x?.shape[1] as number) ?? {};
        return {
          y: batchNorm(
            x as Tensor,
            weight as Tensor,
            bias as Tensor,
            mean as Variable,
            variance as Variable,
            attributes,
          ),
        };
      },
      reference: ({ x, weight, bias }, attributes) => ({
        y: reference.batchNorm(
          x as NdArray,
          weight as NdArray,
          bias as NdArray,
          running(x?.shape[1] as number),
          attributes,
        ),
      }),
      gradient({ x, weight }, { y }, attributes) {
        const statistics = running(x?.shape[1] as number);
        const { dx, dweight, dbias } = reference.batchNormGradient(
          x as NdArray,
          weight as NdArray,
          y as NdArray,
          statistics,
          attributes,
        );
        return { x: dx, weight: dweight, bias: dbias };
      },
      terms: ({ x }) => (x?.data.length ?? 0) / (x?.shape[1] ?? 1),
      magnitude({ x, weight, bias }, attributes) {
        const { size } = sizes(x as NdArray, attributes);
        return {
          y: perElement(x as NdArray, (c) => at(size, c) * Math.abs(at(weight, c)) + Math.abs(at(bias, c))),
        };
      },
      gradientMagnitude: (inputs, upstream, attributes) => gradientSizes(inputs, upstream, attributes),
    });
  }

  it("moves the running statistics once a call, by the unbiased variance", async () => {
    const shape = [2, 3, 4, 5];
    const { mean, variance } = variables.get(3) as { mean: Variable; variance: Variable };
    const plan = await compile(await testDevice(), { x: shape, x2: shape, ones: [3] }, ({ x, x2, ones }) => {
      for (const batch of [x, x2]) batchNorm(batch, ones, ones, mean, variance, { training: true, momentum: 0.25 });
      return {};
    });
    const random = new Random("running statistics");
    const batches = [random.array(shape, 2, 0.5), random.array(shape, 0.5, -1)];
    const [x, x2] = batches.map(({ data }) => Float32Array.from(data)) as [Float32Array, Float32Array];
    await plan.run({ x, x2, ones: new Float32Array(3).fill(1) });
    plan.dispose();
    const expected = batches.reduce((state, batch) => reference.updateRunning(batch, state, 0.25), running(3));
    const got = { mean: await parameters.read(mean), variance: await parameters.read(variance) };
    reset();
    for (const name of ["mean", "variance"] as const)
      for (const [c, value] of expected[name].data.entries()) expect(got[name][c], name).to.be.closeTo(value, 2e-6);
    expect(Math.abs(at(expected.variance, 0) - at(running(3).variance, 0))).to.be.above(0.01);
  });

  it("leaves a running statistic that would be NaN or infinite, and moves the others", async () => {
    const shape = [2, 3, 4, 5];
    const { mean, variance } = variables.get(3) as { mean: Variable; variance: Variable };
    const plan = await compile(await testDevice(), { x: shape, ones: [3] }, ({ x, ones }) => {
      batchNorm(x, ones, ones, mean, variance, { training: true, momentum: 0.25 });
      return {};
    });
    const clean = new Random("bad batch").array(shape, 2, 0.5);
    // A bad element of channel 1: first, in the other image, last, and one whose square overflows while its mean does not.
    for (const [position, bad] of [
      [20, NaN],
      [90, Infinity],
      [99, -Infinity],
      [30, 1e30],
    ] as const) {
      const x = map(clean, (value, i) => (i === position ? Math.fround(bad) : value));
      await plan.run({ x: Float32Array.from(x.data), ones: new Float32Array(3).fill(1) });
      const got = { mean: await parameters.read(mean), variance: await parameters.read(variance) };
      reset();
      const expected = reference.updateRunning(x, running(3), 0.25);
      const moves = { mean: bad === 1e30, variance: false };
      for (const name of ["mean", "variance"] as const) {
        expect(at(expected[name], 1) !== at(running(3)[name], 1), `${name} moves at ${bad}`).to.equal(moves[name]);
        for (const [c, value] of expected[name].data.entries())
          expect(got[name][c], `${name} ${c} at ${bad}`).to.be.closeTo(value, 2e-6 * Math.max(1, Math.abs(value)));
        if (!moves[name]) expect(got[name][1]).to.equal(at(running(3)[name], 1));
      }
    }
    plan.dispose();
  });

  it("leaves the running statistics alone when evaluating", async () => {
    const { mean, variance } = variables.get(2) as { mean: Variable; variance: Variable };
    const plan = await compile(await testDevice(), { x: [2, 2, 3, 3], w: [2] }, ({ x, w }) => ({
      y: batchNorm(x, w, w, mean, variance, { training: false }),
    }));
    await plan.run({ x: new Float32Array(36).fill(7), w: new Float32Array([1, 2]) });
    plan.dispose();
    expect([...(await parameters.read(mean))]).to.deep.equal([...running(2).mean.data]);
    expect([...(await parameters.read(variance))]).to.deep.equal([...running(2).variance.data]);
  });

  it("has a gradient after the same statistics were moved again", async () => {
    const { mean, variance } = variables.get(2) as { mean: Variable; variance: Variable };
    const shape = [1, 2, 2, 3];
    const plan = await compile(await testDevice(), { x: shape, w: [2] }, ({ x, w }) => {
      const call = () => batchNorm(x, w, w, mean, variance, { training: true });
      return { once: grad(sum(call()), [w])[0] as Tensor, twice: grad([sum(call()), sum(call())], [w])[0] as Tensor };
    });
    const { once, twice } = dataOf(
      await plan.run({
        x: Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)),
        w: new Float32Array([1, 2]),
      }),
    );
    plan.dispose();
    reset();
    // Σ y = Σ (x̂·w + w), and Σ x̂ = 0.
    for (const c of [0, 1]) {
      expect(once[c]).to.be.closeTo(6, 1e-5);
      expect(twice[c]).to.be.closeTo(12, 1e-5);
    }
  });

  it("refuses vectors of another length, and training on one element a channel", () => {
    const { mean, variance } = variables.get(3) as { mean: Variable; variance: Variable };
    const build = (shape: number[], channels: number, training: boolean) =>
      trace(() => {
        const w = input("scale", [channels]);
        return batchNorm(input("x", shape), w, w, mean, variance, { training });
      }).result.shape;
    expect(() => build([2, 3, 4, 5], 4, true)).to.throw(ShapeError, "batch_norm: scale has shape [4], not [3]");
    expect(() => build([2, 4, 4, 5], 4, true)).to.throw(ShapeError, "running_mean 3 has shape [3], not [4]");
    expect(() => build([1, 3, 1, 1], 3, true)).to.throw(ShapeError, "two elements a channel");
    expect(() => build([2, 3], 3, true)).to.throw(ShapeError, "not [N, C, H, W]");
    expect(build([1, 3, 1, 1], 3, false)).to.deep.equal([1, 3, 1, 1]);
    expect(build([2, 3, 4, 5], 3, true)).to.deep.equal([2, 3, 4, 5]);
  });
});

/** As the reference's formulas with absolute terms, the error of x̂ entering each of its factors. */
function gradientSizes({ x, weight }: Arrays, { y: dy }: Arrays, attributes: reference.BatchNormAttributes): Arrays {
  const { size, factor, count } = sizes(x as NdArray, attributes);
  const total = ndarray(size.shape);
  perElement(x as NdArray, (c, i) => ((total.data[c] as number) += Math.abs(at(dy, i))));
  const through = (c: number) => (attributes.training ? (at(total, c) / count) * (1 + 3 * at(size, c) ** 2) : 0);
  return {
    x: perElement(x as NdArray, (c, i) => at(weight, c) * at(factor, c) * (2 * Math.abs(at(dy, i)) + through(c))),
    weight: map(total, (value, c) => value * at(size, c)),
    bias: total,
  };
}
