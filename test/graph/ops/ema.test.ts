import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { ema } from "../../../src/graph/ops/ema.js";
import { compile } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import { GraphError, type Variable } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/ema.js";
import { testDevice } from "../../device.js";
import { Random } from "./check.js";
import { allocate, bits, fromBits } from "./variables.js";

const STEPS = 3;

/** Averages after `steps` steps towards parameters that stay, with or without a gate. */
async function averagesAfter(
  steps: number,
  decay: number,
  averages: readonly NdArray[],
  params: readonly NdArray[],
  gate?: readonly number[],
): Promise<Float32Array[]> {
  const { parameters, variables } = await allocate([...averages, ...params]);
  const moving = variables.slice(0, averages.length);
  const plan = await compile(await testDevice(), { gate: [3] }, (t) => {
    ema(moving, variables.slice(averages.length), decay, gate && t.gate);
    return {};
  });
  for (let step = 0; step < steps; step++) await plan.run({ gate: Float32Array.from(gate ?? [0, 0, 0]) });
  const results = await Promise.all(moving.map((variable) => parameters.read(variable)));
  plan.dispose();
  parameters.dispose();
  return results;
}

describe("ema", () => {
  for (let i = 0; i < 50; i++) {
    const random = new Random(`ema ${i}`);
    const shape =
      [[1], [64], [65], [4099], [64, 64, 3, 3]][i] ??
      Array.from({ length: random.int(1, 4) }, () => random.int(1, random.pick([3, 9])));
    const decay = random.pick([0, 0.5, 0.9, 0.999, 0.9999, 1]);
    const gate = random.pick([undefined, [1, 0.25, 3], [0, 0, 3]]);
    it(`ema [${shape}] ${decay}, gate ${gate}`, async () => {
      const [average, parameter] = [random.array(shape, 2, 0.1), random.array(shape)];
      const arrays = [[average], [parameter]] as const;
      const [got] = await averagesAfter(STEPS, decay, ...arrays, gate);
      const [again] = await averagesAfter(STEPS, decay, ...arrays, gate);
      expect(bits(again as Float32Array), "a rerun").to.deep.equal(bits(got as Float32Array));
      let expected = average;
      for (let step = 0; step < STEPS; step++)
        expected = reference.ema(expected, parameter, decay, gate && ndarray([3], gate));
      // A step rounds four times (difference, share, product, sum), each relative to |average| + |parameter| at most.
      for (const [k, value] of expected.data.entries()) {
        const size = Math.abs(average.data[k] as number) + Math.abs(parameter.data[k] as number);
        expect(Math.abs((got?.[k] as number) - value), `element ${k}`).to.be.most(4 * STEPS * 2 ** -24 * size);
      }
    });
  }

  it("leaves every bit while the gate is closed, also of NaNs, and where the parameter is NaN", async () => {
    const words = [0x7fc01234, 0x80000000, 1, 0x3f800000, 0xff800000];
    const { parameters, variables } = await allocate([ndarray([5]), ndarray([5], [NaN, 1, 2, NaN, 3])]);
    const [average, parameter] = variables as [Variable, Variable];
    parameters.write(average, fromBits(...words));
    const plan = await compile(await testDevice(), { gate: [3] }, ({ gate }) => {
      ema([average], [parameter], 0.5, gate);
      return {};
    });
    await plan.run({ gate: Float32Array.of(0, 0, NaN) });
    expect(bits(await parameters.read(average))).to.deep.equal(words);
    await plan.run({ gate: Float32Array.of(1, 0, 1) });
    const open = await parameters.read(average);
    plan.dispose();
    parameters.dispose();
    expect([open[1], open[2]], "the gate's scale is for gradients").to.deep.equal([0.5, 1]);
  });

  it("has a constant parameter for its fixed point, to the bit", async () => {
    const constant = new Random("constant").array([1000]);
    const [got] = await averagesAfter(50, 0.9999, [constant], [constant]);
    expect(bits(got as Float32Array)).to.deep.equal(bits(constant.data));
  });

  it("moves each average by its own parameter", async () => {
    const at = (value: number, shape: number[]) => map(ndarray(shape), () => value);
    const got = await averagesAfter(1, 0.75, [at(0, [2]), at(1, [3])], [at(4, [2]), at(5, [3])]);
    expect(got.map((values) => [...values])).to.deep.equal([
      [1, 1],
      [2, 2, 2],
    ]);
  });

  it("refuses what does not fit", async () => {
    const { parameters, variables } = await allocate([ndarray([2]), ndarray([2]), ndarray([3])]);
    const [a, b, c] = variables as [Variable, Variable, Variable];
    const build = (averages: Variable[], decay = 0.9, gate?: number[]) =>
      trace(() => ema(averages, [b], decay, gate && input("gate", gate))).graph.nodes.length;
    expect(() => build([a, c])).to.throw(ShapeError, "averages holds 2 tensors for 1 parameters");
    expect(() => build([c])).to.throw(ShapeError, "the average of variable 1 has shape [3], not [2]");
    expect(() => build([a], 0.9, [2])).to.throw(ShapeError, "gate has shape [2]; a gate is [3]");
    for (const decay of [-0.1, 1.1, NaN]) expect(() => build([a], decay)).to.throw(GraphError, `decay is ${decay}`);
    expect(build([a], 1, [3])).to.equal(1);
    parameters.dispose();
  });
});
