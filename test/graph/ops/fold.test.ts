import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { fold } from "../../../src/graph/ops/fold.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import type { WindowOptions } from "../../../src/kernels/shared/windows.js";
import type { NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/fold.js";
import { unfold } from "../../../src/reference/unfold.js";
import { type WindowAttributes, windowCount } from "../../../src/reference/windows.js";
import { testDevice } from "../../device.js";
import { checkOperation } from "./check.js";

type Attributes = WindowAttributes & { readonly size: readonly [number, number] };

/** What MASA folds: the patches of an 8×8 block at three scales; and windows that leave pixels uncovered. */
const targeted: readonly Attributes[] = [
  { size: [8, 8], kernel: [3, 3], stride: [1, 1], padding: 1, dilation: 1 },
  { size: [16, 16], kernel: [6, 6], stride: [2, 2], padding: 2, dilation: 1 },
  { size: [32, 32], kernel: [12, 12], stride: [4, 4], padding: 4, dilation: 1 },
  { size: [8, 9], kernel: [2, 1], stride: [3, 4], padding: 0, dilation: 1 },
  { size: [9, 11], kernel: [3, 2], stride: [2, 1], padding: 3, dilation: 3 },
];

describe("fold", () => {
  checkOperation<Attributes>("fold", {
    sample: (random, i) => {
      const drawn: WindowAttributes = {
        kernel: [random.int(1, 4), random.int(1, 5)],
        stride: [random.int(1, 3), random.int(1, 5)],
        padding: random.int(0, 4),
        dilation: random.int(1, 3),
      };
      const { kernel, padding, dilation } = drawn;
      const side = (d: 0 | 1) => Math.max(1, dilation * (kernel[d] - 1) + 1 - 2 * padding) + random.int(0, 9);
      const attributes = targeted[i] ?? { ...drawn, size: [side(0), side(1)] as const };
      const [rows, columns] = windowCount(attributes.size, attributes);
      const lines = random.int(1, 3) * attributes.kernel[0] * attributes.kernel[1];
      return { inputs: { x: random.array([random.int(1, 3), lines, rows * columns]) }, attributes };
    },
    graph: ({ x }, attributes) => ({ y: fold(x as Tensor, attributes.size, attributes) }),
    reference: ({ x }, attributes) => ({ y: reference.fold(x as NdArray, attributes.size, attributes) }),
    gradient: (_, { y }, attributes) => ({ x: unfold(y as NdArray, attributes) }),
    linear: ["x"],
    // The windows that share a pixel.
    terms: (_, { kernel }) => kernel[0] * kernel[1],
  });

  it("counts the windows over every pixel: 4 in the corners, 6 at the edges, 9 inside", async () => {
    const plan = await compile(await testDevice(), { x: [1, 36, 16] }, (t) => ({
      y: fold(t.x, [8, 8], { kernel: 6, stride: 2, padding: 2 }),
    }));
    const { y } = dataOf(await plan.run({ x: new Float32Array(36 * 16).fill(1) }));
    plan.dispose();
    const covering = [2, 2, 3, 3, 3, 3, 2, 2];
    expect([...y]).to.deep.equal(covering.flatMap((down) => covering.map((across) => down * across)));
  });

  it("says what is wrong with a window or a shape", () => {
    const folded = (shape: readonly number[], size: readonly [number, number], options: WindowOptions) => () =>
      trace(() => fold(input("x", shape), size, options));
    const columns = [1, 18, 6];
    expect(folded(columns, [4, 5], { kernel: 3 })).not.to.throw();
    expect(folded(columns, [5, 5], { kernel: 3 }))
      .to.throw(ShapeError)
      .with.property("argument", "x");
    expect(folded([1, 17, 6], [4, 5], { kernel: 3 }))
      .to.throw(ShapeError)
      .with.property("argument", "x");
    expect(folded([18, 6], [4, 5], { kernel: 3 }))
      .to.throw(ShapeError)
      .with.property("argument", "x");
    expect(folded(columns, [4, -5], { kernel: 3 }))
      .to.throw(ShapeError)
      .with.property("argument", "size");
    expect(folded(columns, [2, 5], { kernel: 3 }))
      .to.throw(ShapeError)
      .with.property("argument", "kernel");
  });
});
