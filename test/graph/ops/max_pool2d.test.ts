import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { maxPool2d } from "../../../src/graph/ops/max_pool2d.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/max_pool2d.js";
import { testDevice } from "../../device.js";
import { checkOperation, Random } from "./check.js";

const SPECIAL = [
  [1, 1, 2, 2],
  [1, 1, 3, 3],
  [2, 3, 5, 7],
  [1, 64, 4, 6],
  [1, 2, 33, 64],
];

describe("max_pool2d", () => {
  // Copies: no error at all but the harness' own margin. Distinct values, further apart than the difference's step.
  checkOperation<null>("max_pool2d", {
    sample: (random, i) => {
      const shape = SPECIAL[i] ?? [random.int(1, 3), random.int(1, 5), random.int(2, 15), random.int(2, 15)];
      const order = random.array(shape).data;
      const rank = [...order.keys()].sort((a, b) => (order[a] as number) - (order[b] as number));
      const x = map(random.array(shape), () => 0);
      for (const [place, index] of rank.entries()) x.data[index] = Math.fround(place / rank.length - 0.5);
      return { inputs: { x }, attributes: null };
    },
    graph: ({ x }) => ({ y: maxPool2d(x as Tensor) }),
    reference: ({ x }) => ({ y: reference.maxPool2d(x as NdArray) }),
    gradient: ({ x }, { y }) => ({ x: reference.maxPool2dGradient(x as NdArray, y as NdArray) }),
    terms: () => 0,
    linear: ["x"],
  });

  it("gives the gradient of equal maxima to the first, and none to an odd border", async () => {
    const random = new Random("ties");
    const shape = [2, 3, 9, 11];
    const x = map(random.array(shape), (value) => Math.floor(2 * value) / 2);
    const dy = random.array([2, 3, 4, 5]);
    const plan = await compile(await testDevice(), { x: shape, dy: dy.shape }, ({ x, dy }) => {
      const y = maxPool2d(x);
      return { y, dx: grad([y], [x], [dy])[0] as Tensor };
    });
    const got = dataOf(await plan.run({ x: Float32Array.from(x.data), dy: Float32Array.from(dy.data) }));
    plan.dispose();
    expect([...got.y]).to.deep.equal([...reference.maxPool2d(x).data]);
    expect([...got.dx]).to.deep.equal([...reference.maxPool2dGradient(x, dy).data]);
    expect(got.dx.filter((value) => value !== 0).length).to.equal(dy.data.length);
  });

  it("refuses what has no 2 × 2 square", () => {
    const build = (shape: number[]) => trace(() => maxPool2d(input("x", shape))).result.shape;
    expect(() => build([1, 2, 1, 8])).to.throw(ShapeError, "max_pool2d: x has shape [1,2,1,8]");
    expect(() => build([2, 8, 8])).to.throw(ShapeError, "not [N, C, H, W]");
    expect(build([1, 2, 2, 9])).to.deep.equal([1, 2, 1, 4]);
  });
});
