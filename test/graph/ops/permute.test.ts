import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { permute } from "../../../src/graph/ops/permute.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/permute.js";
import { testDevice } from "../../device.js";
import { checkOperation, type Random } from "./check.js";

type Attributes = { readonly order: readonly number[] };

/** Blocks back into a map (MASA's last step of matching), channels last and first again, all six sides turned round. */
const targeted: readonly (readonly number[])[] = [
  [0, 3, 1, 4, 2, 5],
  [0, 2, 3, 1],
  [0, 3, 1, 2],
  [5, 4, 3, 2, 1, 0],
  [0, 1, 2],
  [0],
];

describe("permute", () => {
  checkOperation<Attributes>("permute", {
    sample: (random, i) => {
      const order = targeted[i] ?? shuffled(random, random.int(1, 6));
      // Sides of 1 fall away, so that the targeted orders have none.
      const shape = order.map(() =>
        random.pick(targeted[i] ? [2, 3, 5] : order.length > 4 ? [1, 2, 3, 5] : [1, 2, 7, 13]),
      );
      return { inputs: { x: random.array(shape) }, attributes: { order } };
    },
    graph: ({ x }, { order }) => ({ y: permute(x as Tensor, order) }),
    reference: ({ x }, { order }) => ({ y: reference.permute(x as NdArray, order) }),
    gradient: (_, { y }, { order }) => ({ x: reference.permute(y as NdArray, reference.inverse(order)) }),
    // Copies are exact, both ways.
    magnitude: ({ x }, { order }) => ({ y: map(reference.permute(x as NdArray, order), () => 0) }),
    gradientMagnitude: ({ x }) => ({ x: map(x as NdArray, () => 0) }),
    linear: ["x"],
    terms: () => 1,
  });

  it("transposes indices", async () => {
    const plan = await compile(await testDevice(), { x: { shape: [2, 3], dtype: "i32" } }, (t) => ({
      y: permute(t.x, [1, 0]),
    }));
    const { y } = dataOf(await plan.run({ x: Int32Array.from([1, 2, 3, -4, -5, -6]) }));
    plan.dispose();
    expect(y).to.deep.equal(Int32Array.from([1, -4, 2, -5, 3, -6]));
  });

  it("says what is wrong with an order or a shape", () => {
    const turned = (shape: readonly number[], order: readonly number[]) => () =>
      trace(() => permute(input("x", shape), order));
    expect(turned([2, 3, 4], [2, 0, 1])).not.to.throw();
    expect(turned([2, 3, 4], [2, 0, 0]))
      .to.throw(ShapeError)
      .with.property("argument", "order");
    expect(turned([2, 3, 4], [1, 0]))
      .to.throw(ShapeError)
      .with.property("argument", "order");
    expect(turned([2, 3, 4], [1, 2, 3]))
      .to.throw(ShapeError)
      .with.property("argument", "order");
    expect(turned([1, 1, 1, 1, 1, 1, 1], [0, 1, 2, 3, 4, 5, 6]))
      .to.throw(ShapeError)
      .with.property("argument", "x");
  });
});

function shuffled(random: Random, length: number): number[] {
  const keys = Array.from({ length }, () => random.next());
  return [...keys.keys()].sort((a, b) => (keys[a] as number) - (keys[b] as number));
}
