import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { normalize } from "../../../src/graph/ops/normalize.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/normalize.js";
import { testDevice } from "../../device.js";
import { checkOperation, type Random } from "./check.js";

interface Attributes {
  readonly dim: number;
  readonly eps: number;
}

const SPECIAL: readonly [shape: readonly number[], dim: number][] = [
  [[1], 0],
  [[1, 1, 1], 2],
  [[2, 6, 18], 2],
  [[2, 18, 10], 1],
  [[1, 4, 576], 2],
  [[1, 576, 5], 1],
  [[130, 3], 1],
  [[3, 130], 0],
  [[2, 3, 4, 5], 1],
];

function sampleCase(random: Random, i: number): { shape: readonly number[]; dim: number } {
  const [shape, dim] = SPECIAL[i] ?? [[random.int(1, 4), random.int(1, 70), random.int(1, 20)], random.int(0, 2)];
  return { shape, dim };
}

describe("normalize", () => {
  // An element is divided by a root of a sum: the error is relative to the element itself, twice (sum, and root and
  // division). The gradient subtracts a product of three such factors and divides once more.
  checkOperation<Attributes>("normalize", {
    cases: 56,
    sample: (random, i) => {
      const { shape, dim } = sampleCase(random, i);
      const x = random.array(shape, 1, random.pick([0, 0, 2]));
      // Away from 0, where a short vector's direction turns within the central difference's step.
      const inputs = { x: map(x, (value) => Math.fround(value + Math.sign(value) * 0.1)) };
      return { inputs, attributes: { dim, eps: 1e-12 } };
    },
    graph: ({ x }, { dim, eps }) => ({ y: normalize(x as Tensor, dim, eps) }),
    reference: ({ x }, { dim, eps }) => ({ y: reference.normalize(x as NdArray, dim, eps) }),
    gradient: ({ x }, { y }, { dim, eps }) => ({
      x: reference.normalizeGradient(x as NdArray, y as NdArray, dim, eps),
    }),
    terms: ({ x }, { dim }) => x?.shape[dim] ?? 0,
    magnitude: ({ x }, { dim, eps }) => ({
      y: map(reference.normalize(x as NdArray, dim, eps), (y) => 2 * Math.abs(y)),
    }),
    gradientMagnitude({ x }, { y: dy }, { dim, eps }) {
      // For positive y and negative dy the formula is (−|dy| + |y|·Σ|dy·y|) / norm, and y / x is 1 / norm.
      const absolute = map(x as NdArray, Math.abs);
      const y = reference.normalize(absolute, dim, eps).data;
      const size = map(dy as NdArray, Math.abs).data;
      const terms = reference.normalizeGradient(
        absolute,
        map(dy as NdArray, (value) => -Math.abs(value)),
        dim,
        eps,
      );
      return {
        x: map(terms, (value, i) => {
          const direct = ((size[i] as number) * (y[i] as number)) / (absolute.data[i] as number);
          return 3 * (value + 2 * direct);
        }),
      };
    },
  });

  it("divides a vector below eps by eps, and lets no gradient through its norm", async () => {
    const eps = 0.5;
    const plan = await compile(await testDevice(), { x: [4, 2], dy: [4, 2] }, ({ x, dy }) => {
      const rows = normalize(x, 1, eps);
      return { rows, dx: grad([rows], [x], [dy])[0] as Tensor };
    });
    const x = new Float32Array([0, 0, 0.1, -0.2, 3, 4, 0.3, 0.4]);
    const got = dataOf(await plan.run({ x, dy: new Float32Array([1, -2, 1, -2, 1, -2, 1, -2]) }));
    plan.dispose();
    const expected = { rows: [0, 0, 0.2, -0.4, 0.6, 0.8], dx: [2, -4, 2, -4, 1.6 / 5, -1.2 / 5] };
    for (const [i, value] of expected.rows.entries()) expect(got.rows[i]).to.be.closeTo(value, 1e-6);
    for (const [i, value] of expected.dx.entries()) expect(got.dx[i]).to.be.closeTo(value, 1e-6);
    // A norm of eps itself is not below it: (dy − y·Σ dy·y) / eps with y = (0.6, 0.8).
    expect(got.dx[6]).to.be.closeTo(3.2, 1e-5);
    expect(got.dx[7]).to.be.closeTo(-2.4, 1e-5);
  });

  it("refuses a side that the tensor does not have", () => {
    const build = (dim: number) => trace(() => normalize(input("x", [2, 3]), dim)).result.shape;
    expect(() => build(2)).to.throw(ShapeError, "normalize: dim names side 2 of a tensor [2,3]");
    expect(build(1)).to.deep.equal([2, 3]);
  });
});
