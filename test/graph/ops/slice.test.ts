import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { slice } from "../../../src/graph/ops/slice.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/slice.js";
import { testDevice } from "../../device.js";
import { checkOperation } from "./check.js";

type Attributes = { readonly dim: number; readonly start: number; readonly end: number };

describe("slice", () => {
  checkOperation<Attributes>("slice", {
    sample: (random) => {
      const shape = Array.from({ length: random.int(1, 5) }, () => random.pick([1, 2, 3, 5, 11]));
      const dim = random.int(0, shape.length - 1);
      const side = random.pick([1, 4, 7, 64]);
      const start = random.pick([0, random.int(0, side - 1)]);
      const end = random.pick([side, random.int(start + 1, side)]);
      return { inputs: { x: random.array(shape.with(dim, side)) }, attributes: { dim, start, end } };
    },
    graph: ({ x }, { dim, start, end }) => ({ y: slice(x as Tensor, dim, start, end) }),
    reference: ({ x }, { dim, start, end }) => ({ y: reference.slice(x as NdArray, dim, start, end) }),
    gradient: ({ x }, { y }, { dim, start, end }) => ({
      x: reference.sliceGradient(y as NdArray, (x as NdArray).shape, dim, start, end),
    }),
    // Copies are exact, both ways.
    magnitude: ({ x }, { dim, start, end }) => ({ y: map(reference.slice(x as NdArray, dim, start, end), () => 0) }),
    gradientMagnitude: ({ x }) => ({ x: map(x as NdArray, () => 0) }),
    linear: ["x"],
    terms: () => 1,
  });

  it("takes a run of indices", async () => {
    const plan = await compile(await testDevice(), { x: { shape: [5], dtype: "i32" } }, (t) => ({
      y: slice(t.x, 0, 1, 3),
    }));
    expect(dataOf(await plan.run({ x: Int32Array.from([4, -3, 2, -1, 0]) })).y).to.deep.equal(Int32Array.from([-3, 2]));
    plan.dispose();
  });

  it("says what is wrong with a side or a run", () => {
    const sliced = (dim: number, start: number, end: number) => () =>
      trace(() => slice(input("x", [2, 5]), dim, start, end));
    expect(sliced(1, 0, 5)).not.to.throw();
    expect(sliced(2, 0, 5))
      .to.throw(ShapeError)
      .with.property("argument", "dim");
    for (const [start, end] of [
      [0, 6],
      [-1, 5],
      [3, 3],
      [4, 3],
      [0.5, 2],
    ] as const)
      expect(sliced(1, start, end))
        .to.throw(ShapeError)
        .with.property("argument", "start, end");
  });
});
