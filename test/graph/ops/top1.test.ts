import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { top1 } from "../../../src/graph/ops/top1.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/top1.js";
import { testDevice } from "../../device.js";
import { checkOperation } from "./check.js";

const zero = (x: NdArray) => map(x, () => 0);

describe("top1", () => {
  checkOperation<null>("top1", {
    sample: (random, i) => {
      // One element, fewer than threads, as many, more; long enough for the larger workgroup.
      const n = [1, 2, 63, 64, 65, 255, 4095, 4096, 5001][i] ?? random.int(1, 300);
      const rows = random.pick([[], [1], [5], [2, 3], [2, 1, 7]]);
      // Values further apart than the step of the central difference, so that no winner changes.
      return { inputs: { x: distinct(random.array([...rows, n])) }, attributes: null };
    },
    graph: ({ x }) => ({ ...top1(x as Tensor) }),
    reference: ({ x }) => reference.top1(x as NdArray),
    gradient: ({ x }, { values }) => ({ x: reference.top1Gradient(x as NdArray, values as NdArray) }),
    // All of it is selection: exact.
    magnitude: ({ x }) => {
      const { values, indices } = reference.top1(x as NdArray);
      return { values: zero(values), indices: zero(indices) };
    },
    gradientMagnitude: ({ x }) => ({ x: zero(x as NdArray) }),
    terms: () => 1,
  });

  const search = async (shape: readonly number[], x: Float32Array) => {
    const plan = await compile(await testDevice(), { x: shape }, (t) => top1(t.x));
    const result = dataOf(await plan.run({ x }));
    plan.dispose();
    return { values: [...result.values], indices: [...result.indices] };
  };

  it("gives a tie to the lowest index", async () => {
    const rows = [
      [0, 0, 0, 0],
      [-1, 7, 3, 7],
      [-0, 0, -0, 0],
      [-Infinity, -Infinity, -Infinity, -Infinity],
      [1, 2, Infinity, Infinity],
    ];
    const { indices } = await search([5, 4], Float32Array.from(rows.flat()));
    expect(indices).to.deep.equal([0, 1, 0, 0, 2]);
  });

  it("gives a tie to the lowest index across threads and their elements", async () => {
    // With 64 threads, 320 is thread 0's, 129 thread 1's, 66 and 130 thread 2's, 70 thread 6's.
    for (const n of [321, 5001]) {
      const x = new Float32Array(n).fill(-2);
      for (const i of [66, 70, 129, 130, 320]) x[i] = -1;
      expect(await search([1, n], x)).to.deep.equal({ values: [-1], indices: [66] });
    }
  });

  it("searches rows as long as a whole map of candidates", async () => {
    const n = 2 ** 18;
    const x = Float32Array.from({ length: 2 * n }, (_, i) => 1 - Math.abs(i - (n - 1)) / n);
    expect(await search([2, n], x)).to.deep.equal({ values: [1, 1 - 1 / n], indices: [n - 1, 0] });
  });

  it("needs a side to search along", () => {
    expect(() => trace(() => top1(input("x", [1])))).not.to.throw();
    expect(() => trace(() => top1(input("x", []))))
      .to.throw(ShapeError)
      .with.property("argument", "x");
  });
});

/** The ranks of `x` as values: no two elements are closer than 2/size. */
function distinct(x: NdArray): NdArray {
  const ranks = new Map(
    [...x.data.keys()].sort((a, b) => (x.data[a] as number) - (x.data[b] as number)).map((i, rank) => [i, rank]),
  );
  return map(x, (_, i) => Math.fround((2 * (ranks.get(i) as number)) / x.data.length - 1));
}
