import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { gather } from "../../../src/graph/ops/gather.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { HostType, Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/gather.js";
import { testDevice } from "../../device.js";
import { checkOperation } from "./check.js";

describe("gather", () => {
  checkOperation<null>("gather", {
    sample: (random, i) => {
      const [N, C] = [random.int(1, 4), random.pick([1, 3, 31, 33])];
      // One column, fewer columns than the threads that share them out, as many, more.
      const L = [1, 7, 255, 256, 257, 521][i] ?? random.int(1, 90);
      const J = random.pick([1, 2, 64, 67, 131]);
      // All over the columns, or crowded on a few, so that lists are long and others empty.
      const reach = random.pick([L, Math.min(L, 3)]);
      const index = map(ndarray([N, J]), () => L - random.int(1, reach));
      return { inputs: { x: random.array([N, C, L]), index }, attributes: null };
    },
    integers: ["index"],
    graph: ({ x, index }) => ({ y: gather(x as Tensor, index as Tensor) }),
    reference: ({ x, index }) => ({ y: reference.gather(x as NdArray, index as NdArray) }),
    gradient: ({ x, index }, { y }) => ({
      x: reference.gatherGradient(index as NdArray, y as NdArray, (x as NdArray).shape),
    }),
    // Copies are exact.
    magnitude: ({ x, index }) => ({ y: map(reference.gather(x as NdArray, index as NdArray), () => 0) }),
    linear: ["x"],
    terms: ({ index }) => (index as NdArray).shape[1] as number,
  });

  it("adds in the order of the indices", async () => {
    // In float32 (2²⁴ + 1) + 1 is 2²⁴, and (1 + 1) + 2²⁴ is 2²⁴ + 2.
    const plan = await compile(
      await testDevice(),
      { x: [1, 1, 2], index: { shape: [1, 6], dtype: "i32" }, dy: [1, 1, 6] },
      (t) => ({ dx: grad([gather(t.x, t.index)], [t.x], [t.dy])[0] as Tensor }),
    );
    const big = 2 ** 24;
    const { dx } = dataOf(
      await plan.run({
        x: new Float32Array(2),
        index: Int32Array.from([0, 1, 0, 1, 1, 0]),
        dy: Float32Array.from([1, big, 1, 1, 1, big]),
      }),
    );
    plan.dispose();
    expect([...dx]).to.deep.equal([big + 2, big]);
  });

  it("says what is wrong with an index or a shape", () => {
    const gathered =
      (x: readonly number[], index: readonly number[], dtype: HostType = "i32") =>
      () =>
        trace(() => gather(input("x", x), input("index", index, dtype)));
    expect(gathered([2, 3, 4], [2, 5])).not.to.throw();
    expect(gathered([2, 3, 4], [2, 5], "f32"))
      .to.throw(ShapeError)
      .with.property("argument", "index");
    expect(gathered([2, 3, 4], [3, 5]))
      .to.throw(ShapeError)
      .with.property("argument", "index");
    expect(gathered([2, 3, 4], [2, 3, 5]))
      .to.throw(ShapeError)
      .with.property("argument", "index");
    expect(gathered([2, 4], [2, 5]))
      .to.throw(ShapeError)
      .with.property("argument", "x");
  });
});
