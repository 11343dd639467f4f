import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { accumulate } from "../../../src/graph/ops/accumulate.js";
import { compile } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Variable } from "../../../src/graph/trace/tensor.js";
import * as reference from "../../../src/reference/accumulate.js";
import { map, ndarray } from "../../../src/reference/array.js";
import { testDevice } from "../../device.js";
import { Random } from "./check.js";
import { allocate, bits } from "./variables.js";

const floats = (data: ArrayLike<number>) => Float32Array.from(data);

describe("accumulate", () => {
  for (let i = 0; i < 50; i++) {
    const random = new Random(`accumulate ${i}`);
    const shape =
      [[1], [64], [65], [4099], [64, 64, 3, 3]][i] ??
      Array.from({ length: random.int(1, 4) }, () => random.int(1, random.pick([3, 9])));
    const batches = random.int(1, 5);
    const factor = random.pick([1, 1 / batches, 1 / 9]);
    it(`accumulate [${shape}], ${factor} of each of ${batches}`, async () => {
      const { parameters, variables } = await allocate([ndarray(shape)]);
      const sum = variables[0] as Variable;
      const plan = await compile(await testDevice(), { g: shape, keep: [1] }, ({ g, keep }) => {
        accumulate([sum], [g], keep, factor);
        return {};
      });
      const gradients = Array.from({ length: batches }, () => random.array(shape));
      const run = async () => {
        for (const [k, { data }] of gradients.entries()) await plan.run({ g: floats(data), keep: floats([k]) });
        return parameters.read(sum);
      };
      parameters.write(sum, new Float32Array(sum.size).fill(NaN));
      const got = await run();
      const again = await run();
      plan.dispose();
      parameters.dispose();
      expect(bits(again), "a second step, over what the first left").to.deep.equal(bits(got));
      let [expected, size] = [ndarray(shape), ndarray(shape)];
      for (const [k, gradient] of gradients.entries()) {
        expected = reference.accumulate(expected, gradient, k > 0, factor);
        size = reference.accumulate(size, map(gradient, Math.abs), k > 0, factor);
      }
      // The factor, a product and a sum are rounded for each gradient, relative to Σ|terms|.
      const unit = (2 + batches) * 2 ** -24;
      for (const [k, value] of expected.data.entries())
        expect(Math.abs((got[k] as number) - value), `element ${k}`).to.be.most(unit * (size.data[k] as number));
    });
  }

  it("drops NaN and infinity of the last step, and keeps those of this one", async () => {
    const { parameters, variables } = await allocate([
      ndarray([4], [NaN, Infinity, -Infinity, 7]),
      ndarray([1], [NaN]),
    ]);
    const plan = await compile(await testDevice(), { g: [4], h: [1], keep: [1] }, ({ g, h, keep }) => {
      accumulate(variables, [g, h], keep, 0.5);
      return {};
    });
    const read = async () => (await Promise.all(variables.map((v) => parameters.read(v)))).map((values) => [...values]);
    await plan.run({ g: floats([2, 4, 6, NaN]), h: floats([8]), keep: floats([0]) });
    expect(await read()).to.deep.equal([[1, 2, 3, NaN], [4]]);
    await plan.run({ g: floats([2, 2, 2, 2]), h: floats([2]), keep: floats([1]) });
    expect(await read()).to.deep.equal([[2, 3, 4, NaN], [5]]);
    plan.dispose();
    parameters.dispose();
  });

  it("refuses what does not fit", async () => {
    const { parameters, variables } = await allocate([ndarray([2])]);
    const build = (shapes: number[][], keep: number[]) =>
      trace(() =>
        accumulate(
          variables,
          shapes.map((shape, i) => input(`g${i}`, shape)),
          input("keep", keep),
          1,
        ),
      ).graph.nodes.length;
    expect(() => build([[2], [2]], [1])).to.throw(ShapeError, "sums holds 1 tensors for 2 gradients");
    expect(() => build([[3]], [1])).to.throw(ShapeError, "the gradient for variable 0 has shape [3], not [2]");
    expect(() => build([[2]], [2])).to.throw(ShapeError, "keep is f32 [2], not f32 [1]");
    expect(build([[2]], [1])).to.equal(1);
    parameters.dispose();
  });
});
