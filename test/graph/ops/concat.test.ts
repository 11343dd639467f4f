import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { concat } from "../../../src/graph/ops/concat.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/concat.js";
import { slice } from "../../../src/reference/slice.js";
import { testDevice } from "../../device.js";
import { type Arrays, checkOperation } from "./check.js";

type Attributes = { readonly dim: number };

describe("concat", () => {
  checkOperation<Attributes>("concat", {
    sample: (random) => {
      const rank = random.int(1, 5);
      const shape = Array.from({ length: rank }, () => random.pick([1, 2, 3, 5, 11]));
      const dim = random.int(0, rank - 1);
      const names = ["a", "b", "c"].slice(0, random.int(1, 3));
      const drawn = names.map((name) => [name, random.array(shape.with(dim, random.pick([1, 2, 7, 64])))]);
      return { inputs: Object.fromEntries(drawn) as Arrays, attributes: { dim } };
    },
    graph: (inputs, { dim }) => ({ y: concat(Object.values(inputs), dim) }),
    reference: (inputs, { dim }) => ({ y: reference.concat(Object.values(inputs), dim) }),
    gradient: (inputs, { y }, { dim }) => {
      let end = 0;
      const runs = Object.entries(inputs).map(([name, { shape }]) => {
        const start = end;
        end += shape[dim] as number;
        return [name, slice(y as NdArray, dim, start, end)];
      });
      return Object.fromEntries(runs) as Arrays;
    },
    // Copies are exact, both ways.
    magnitude: (inputs, { dim }) => ({ y: map(reference.concat(Object.values(inputs), dim), () => 0) }),
    gradientMagnitude: (inputs) =>
      Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, map(x, () => 0)])),
    terms: () => 1,
  });

  it("joins a tensor with itself, and indices", async () => {
    const plan = await compile(await testDevice(), { x: { shape: [2, 1], dtype: "i32" } }, (t) => ({
      y: concat([t.x, t.x], 1),
    }));
    expect(dataOf(await plan.run({ x: Int32Array.from([-1, 7]) })).y).to.deep.equal(Int32Array.from([-1, -1, 7, 7]));
    plan.dispose();
  });

  it("says what is wrong with a side or a shape", () => {
    const a = () => input("a", [1, 2, 3]);
    const joined = (others: () => readonly Tensor[], dim: number) => () => trace(() => concat(others(), dim));
    expect(joined(() => [a(), input("b", [1, 5, 3])], 1)).not.to.throw();
    expect(joined(() => [a(), input("b", [1, 5, 3])], 2))
      .to.throw(ShapeError)
      .with.property("argument", "b");
    expect(joined(() => [a(), input("b", [1, 2])], 1))
      .to.throw(ShapeError)
      .with.property("argument", "b");
    expect(joined(() => [a(), input("b", [1, 2, 3], "i32")], 1))
      .to.throw(ShapeError)
      .with.property("argument", "b");
    expect(joined(() => [a(), a()], 3))
      .to.throw(ShapeError)
      .with.property("argument", "dim");
    expect(joined(() => [], 0))
      .to.throw(ShapeError)
      .with.property("argument", "xs");
  });
});
