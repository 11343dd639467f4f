import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { matmul } from "../../../src/graph/ops/matmul.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import type { NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/matmul.js";
import { checkOperation } from "./check.js";

type Sizes = readonly [B: number, n: number, K: number, m: number];

/** One element; whole tiles of 64 × 64 and 16 steps, more and less than tiles; long sums; just too small for tiles. */
const SPECIAL: readonly Sizes[] = [
  [1, 1, 1, 1],
  [2, 64, 32, 64],
  [1, 65, 17, 33],
  [1, 63, 47, 130],
  [3, 32, 16, 32],
  [1, 34, 576, 40],
  [1, 1, 600, 1],
  [2, 40, 15, 31],
];

describe("matmul", () => {
  checkOperation<reference.Transposed>("matmul", {
    cases: 64,
    sample: (random, i) => {
      const sizes = SPECIAL[i >> 2] ?? [random.int(1, 3), random.int(1, 70), random.int(1, 40), random.int(1, 70)];
      const [B, n, K, m] = sizes as Sizes;
      const attributes = { transposeA: (i & 1) > 0, transposeB: (i & 2) > 0 };
      const a = random.array(attributes.transposeA ? [B, K, n] : [B, n, K]);
      const b = random.array(attributes.transposeB ? [B, m, K] : [B, K, m]);
      return { inputs: { a, b }, attributes };
    },
    graph: ({ a, b }, transposed) => ({ y: matmul(a as Tensor, b as Tensor, transposed) }),
    reference: ({ a, b }, transposed) => ({ y: reference.matmul(a as NdArray, b as NdArray, transposed) }),
    gradient({ a, b }, { y }, transposed) {
      const { da, db } = reference.matmulGradient(a as NdArray, b as NdArray, y as NdArray, transposed);
      return { a: da, b: db };
    },
    linear: ["a", "b"],
    // The longest of the three sides: each is summed over once, in y, da or db.
    terms: ({ a, b }) => Math.max(...(a?.shape.slice(1) ?? []), ...(b?.shape.slice(1) ?? [])),
  });

  it("refuses matrices that do not fit, naming the tensor", () => {
    const build = (a: number[], b: number[], options = {}) =>
      trace(() => matmul(input("left", a), input("right", b), options)).result.shape;
    expect(() => build([2, 3, 4], [2, 5, 6])).to.throw(ShapeError, "matmul: right means [2, 5, 6]; [2, 4, m]");
    expect(() => build([2, 3, 4], [1, 4, 6])).to.throw(ShapeError, "right");
    expect(() => build([3, 4], [4, 6])).to.throw(ShapeError, "matmul: left has shape [3,4]");
    expect(build([2, 3, 4], [2, 4, 6])).to.deep.equal([2, 3, 6]);
    expect(build([2, 4, 3], [2, 6, 4], { transposeA: true, transposeB: true })).to.deep.equal([2, 3, 6]);
  });
});
