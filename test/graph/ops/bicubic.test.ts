import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { bicubicResize } from "../../../src/graph/ops/bicubic.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/bicubic.js";
import { resample, resampleGradient, type Taps } from "../../../src/reference/resample.js";
import { testDevice } from "../../device.js";
import { checkOperation } from "./check.js";

type Size = readonly [number, number];

/** Sizes that single out a case: one pixel, ×2, ×4, unchanged, shrinking past the four taps, a prime ratio. */
const sides: readonly Size[] = [
  [1, 1],
  [1, 6],
  [5, 10],
  [6, 24],
  [7, 7],
  [19, 3],
  [13, 1],
  [11, 23],
  [2, 8],
];

/** Weights of either sign, so that Σ|terms| is not the resize of |x|. */
const absoluteTaps: Taps = (o, side, outSide) =>
  reference.bicubicTaps(o, side, outSide).map(([i, weight]) => [i, Math.abs(weight)]);

const absolute = (x: NdArray | undefined) => map(x as NdArray, Math.abs);

describe("bicubic", () => {
  checkOperation<Size>("bicubic", {
    sample: (random, i) => {
      const drawn = (): Size => [random.int(1, 11), random.int(1, 17)];
      const [[H, OH], [W, OW]] = i < sides.length ? [sides[i] as Size, random.pick(sides)] : [drawn(), drawn()];
      return {
        inputs: { x: random.array([random.int(1, 3), random.pick([1, 3, 7]), H, W]) },
        attributes: [OH, OW],
      };
    },
    graph: ({ x }, size) => ({ y: bicubicResize(x as Tensor, size) }),
    reference: ({ x }, size) => ({ y: reference.bicubicResize(x as NdArray, size) }),
    gradient: ({ x }, { y }) => ({ x: reference.bicubicResizeGradient(y as NdArray, (x as NdArray).shape) }),
    magnitude: ({ x }, size) => ({ y: resample(absolute(x), size, absoluteTaps) }),
    gradientMagnitude: ({ x }, { y }) => ({ x: resampleGradient(absolute(y), (x as NdArray).shape, absoluteTaps) }),
    linear: ["x"],
    // The outputs that one input feeds, or 16 taps. Each weight is itself rounded up to six times along either side
    // (t, s and four operations; its middle factor is at least ¾, so that nothing cancels): four times as many terms.
    terms: ({ x }, [OH, OW]) => {
      const [, , H, W] = (x as NdArray).shape as [number, number, number, number];
      return 4 * (4 + (4 * OH) / H) * (4 + (4 * OW) / W);
    },
  });

  it("keeps a constant, and an image of the same size", async () => {
    const x = Float32Array.from({ length: 35 }, (_, i) => Math.fround(Math.sin(i) * 1e5));
    const plan = await compile(await testDevice(), { x: [1, 1, 5, 7], c: [1, 1, 3, 3] }, (t) => ({
      same: bicubicResize(t.x, [5, 7]),
      constant: bicubicResize(t.c, [12, 12]),
    }));
    const { same, constant } = dataOf(await plan.run({ x, c: new Float32Array(9).fill(1) }));
    expect(same).to.deep.equal(x);
    // Quarter steps offset by an eighth: weights that float32 holds to the last bit but for one rounding a term.
    for (const value of constant) expect(value).to.be.closeTo(1, 16 * 2 ** -24);
    plan.dispose();
  });

  it("says what is wrong with a size or a shape", () => {
    const resized = (shape: readonly number[], size: Size) => () => trace(() => bicubicResize(input("x", shape), size));
    expect(resized([1, 1, 2, 2], [4, 4])).not.to.throw();
    expect(resized([1, 1, 2, 2], [-4, 4]))
      .to.throw(ShapeError)
      .with.property("argument", "size");
    expect(resized([1, 1, 2, 2], [4, 2.5]))
      .to.throw(ShapeError)
      .with.property("argument", "size");
    expect(resized([1, 1, 2, 2], [1, 2 ** 30]))
      .to.throw(ShapeError)
      .with.property("argument", "size");
    expect(resized([2], [4, 4]))
      .to.throw(ShapeError)
      .with.property("argument", "x");
  });
});
