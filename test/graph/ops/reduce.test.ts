import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { expand, mean, sum, sumTo } from "../../../src/graph/ops/reduce.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/reduce.js";
import { testDevice } from "../../device.js";
import { checkOperation, type Random } from "./check.js";

interface Attributes {
  readonly dims: readonly number[];
  readonly factor: number;
}

/** No side, a scalar, rows of few pieces and of very many, as numbers and as vectors, many columns, many rows; the sums of biases and statistics. */
const SPECIAL: readonly [shape: readonly number[], dims: readonly number[]][] = [
  [[], []],
  [[1], [0]],
  [[3, 5], []],
  [[4097], [0]],
  [[2, 9001], [1]],
  [[3, 8200], [1]],
  [[270_000], [0]],
  [[3, 500], [0]],
  [[500, 3], [1]],
  [
    [2, 3, 65, 66],
    [0, 2, 3],
  ],
  [
    [3, 4, 5, 6],
    [0, 2],
  ],
  [
    [3, 4, 5, 6],
    [1, 3],
  ],
];

function sampleCase(random: Random, i: number): { shape: readonly number[]; dims: readonly number[] } {
  const special = SPECIAL[i];
  if (special) return { shape: special[0], dims: special[1] };
  const shape = Array.from({ length: 4 }, () => random.int(1, 9)).slice(random.int(0, 3));
  // Every set of sides in turn.
  return { shape, dims: shape.flatMap((_, d) => ((i >> d) & 1 ? [d] : [])) };
}

describe("reduce", () => {
  checkOperation<Attributes>("sum", {
    cases: 60,
    sample(random, i) {
      const { shape, dims } = sampleCase(random, i);
      return { inputs: { x: random.array(shape) }, attributes: { dims, factor: random.pick([1, 0.25, -3]) } };
    },
    graph: ({ x }, { dims, factor }) => ({ y: sum(x as Tensor, dims, factor) }),
    reference: ({ x }, { dims, factor }) => ({ y: reference.sum(x as NdArray, dims, factor) }),
    gradient: ({ x }, { y }, { factor }) => ({ x: reference.expand(y as NdArray, x?.shape ?? [], factor) }),
    linear: ["x"],
    terms: ({ x }, { dims }) => dims.reduce((count, d) => count * (x?.shape[d] ?? 1), 1),
    magnitude: ({ x }, { dims, factor }) => ({
      y: reference.sum(map(x as NdArray, Math.abs), dims, Math.abs(factor)),
    }),
    gradientMagnitude: ({ x }, { y }, { factor }) => ({
      x: reference.expand(map(y as NdArray, Math.abs), x?.shape ?? [], Math.abs(factor)),
    }),
  });

  checkOperation<Attributes>("expand", {
    cases: 50,
    sample(random, i) {
      const { shape, dims } = sampleCase(random, i + SPECIAL.length);
      const small = shape.map((side, d) => (dims.includes(d) ? 1 : side));
      return { inputs: { x: random.array(small), to: random.array(shape) }, attributes: { dims, factor: 1.5 } };
    },
    graph: ({ x, to }, { factor }) => ({ y: expand(x as Tensor, (to as Tensor).shape, factor) }),
    reference: ({ x, to }, { factor }) => ({ y: reference.expand(x as NdArray, to?.shape ?? [], factor) }),
    gradient: ({ x }, { y }, { factor }) => ({ x: reference.expandGradient(x as NdArray, y as NdArray, factor) }),
    linear: ["x"],
    terms: ({ x, to }) => (to?.data.length ?? 1) / (x?.data.length ?? 1),
  });

  it("mean divides by the number of elements, a side named twice counting once", async () => {
    const plan = await compile(await testDevice(), { x: [2, 3, 4] }, ({ x }) => ({
      all: mean(x),
      rows: mean(x, [2]),
      twice: mean(x, [1, 1]),
    }));
    const { all, rows, twice } = dataOf(await plan.run({ x: Float32Array.from({ length: 24 }, (_, i) => i) }));
    plan.dispose();
    expect(all[0]).to.be.closeTo(11.5, 1e-5);
    expect([...rows]).to.deep.equal([1.5, 5.5, 9.5, 13.5, 17.5, 21.5]);
    for (const [i, value] of [4, 5, 6, 7, 16, 17, 18, 19].entries()) expect(twice[i]).to.be.closeTo(value, 1e-5);
  });

  it("sumTo undoes a broadcast to a shape of fewer sides", async () => {
    const plan = await compile(await testDevice(), { x: [2, 3, 4] }, ({ x }) => ({
      row: sumTo(x, [4]),
      column: sumTo(x, [3, 1]),
      same: sumTo(x, [2, 3, 4]),
      scalar: sumTo(x, []),
    }));
    const got = dataOf(await plan.run({ x: new Float32Array(24).map((_, i) => i % 4) }));
    plan.dispose();
    expect([...got.row]).to.deep.equal([0, 6, 12, 18]);
    expect([...got.column]).to.deep.equal([12, 12, 12]);
    expect(got.same.length).to.equal(24);
    expect([...got.scalar]).to.deep.equal([36]);
  });

  it("gives the same bits in every run", async () => {
    const plan = await compile(await testDevice(), { x: [3, 30000] }, ({ x }) => {
      const y = sum(x, [0, 1]);
      return { y, dx: grad(y, [x])[0] as Tensor };
    });
    const x = Float32Array.from({ length: 90000 }, (_, i) => Math.sin(i));
    const runs = [dataOf(await plan.run({ x })), dataOf(await plan.run({ x }))];
    plan.dispose();
    expect(runs[0]).to.deep.equal(runs[1]);
  });

  it("refuses sides that the tensor does not have, and shapes that it does not stretch to", () => {
    const build = (make: (x: Tensor) => Tensor) => trace(() => make(input("x", [2, 1, 4]))).result.shape;
    expect(() => build((x) => sum(x, [3]))).to.throw(ShapeError, "sum: dims names side 3 of a tensor [2,1,4]");
    expect(() => build((x) => expand(x, [2, 5, 3]))).to.throw(ShapeError, "expand: x has shape [2,1,4]");
    expect(build((x) => sum(x, [0, 2]))).to.deep.equal([1, 1, 1]);
    expect(build((x) => expand(x, [2, 5, 4]))).to.deep.equal([2, 5, 4]);
  });
});
