import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { bilinearResize } from "../../../src/graph/ops/bilinear.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import type { NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/bilinear.js";
import { testDevice } from "../../device.js";
import { checkOperation } from "./check.js";

type Size = readonly [number, number];

/** Sizes that single out a case: one pixel, ×2, ×4, unchanged, shrinking past the two taps, a prime ratio. */
const sides: readonly Size[] = [
  [1, 1],
  [1, 6],
  [5, 10],
  [8, 32],
  [7, 7],
  [17, 3],
  [13, 1],
  [11, 23],
];

describe("bilinear", () => {
  checkOperation<Size>("bilinear", {
    sample: (random, i) => {
      const drawn = (): Size => [random.int(1, 13), random.int(1, 19)];
      const [[H, OH], [W, OW]] = i < sides.length ? [sides[i] as Size, random.pick(sides)] : [drawn(), drawn()];
      // More planes than one thread walks through, and fewer.
      return {
        inputs: { x: random.array([random.int(1, 3), random.pick([1, 3, 7]), H, W]) },
        attributes: [OH, OW],
      };
    },
    graph: ({ x }, size) => ({ y: bilinearResize(x as Tensor, size) }),
    reference: ({ x }, size) => ({ y: reference.bilinearResize(x as NdArray, size) }),
    gradient: ({ x }, { y }) => ({ x: reference.bilinearResizeGradient(y as NdArray, (x as NdArray).shape) }),
    linear: ["x"],
    // The outputs that one input feeds, or four taps; two roundings more for either weight.
    terms: ({ x }, [OH, OW]) => {
      const [, , H, W] = (x as NdArray).shape as [number, number, number, number];
      return 3 * (2 + (2 * OH) / H) * (2 + (2 * OW) / W);
    },
  });

  it("leaves an image of the same size as it is", async () => {
    const x = Float32Array.from({ length: 2 * 5 * 7 }, (_, i) => Math.fround(Math.sin(i) * 1e5));
    const plan = await compile(await testDevice(), { x: [1, 2, 5, 7] }, (t) => ({ y: bilinearResize(t.x, [5, 7]) }));
    expect(dataOf(await plan.run({ x })).y).to.deep.equal(x);
    plan.dispose();
  });

  it("places its taps without rounding, far from the origin", async () => {
    // Doubling reads at (o + ½)/2 − ½: weights ¼ and ¾, which a position rounded at 6,000 would miss by 10⁻⁴.
    const W = 6007;
    const x = Float32Array.from({ length: W }, (_, i) => i % 2);
    const plan = await compile(await testDevice(), { x: [1, 1, 1, W] }, (t) => ({
      y: bilinearResize(t.x, [1, 2 * W]),
    }));
    const { y } = dataOf(await plan.run({ x }));
    for (let o = 1; o < 2 * W - 1; o++) expect(y[o], `output ${o}`).to.equal(o % 4 < 2 ? 0.25 : 0.75);
    plan.dispose();
  });

  it("says what is wrong with a size or a shape", () => {
    const resized = (shape: readonly number[], size: Size) => () =>
      trace(() => bilinearResize(input("x", shape), size));
    expect(resized([1, 1, 2, 2], [4, 4])).not.to.throw();
    expect(resized([1, 1, 2, 2], [4, 0]))
      .to.throw(ShapeError)
      .with.property("argument", "size");
    expect(resized([1, 1, 2, 2], [4, 2.5]))
      .to.throw(ShapeError)
      .with.property("argument", "size");
    expect(resized([1, 1, 2, 2], [2 ** 30, 1]))
      .to.throw(ShapeError)
      .with.property("argument", "size");
    expect(resized([1, 2, 2], [4, 4]))
      .to.throw(ShapeError)
      .with.property("argument", "x");
  });
});
