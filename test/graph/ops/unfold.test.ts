import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { unfold } from "../../../src/graph/ops/unfold.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import type { WindowOptions } from "../../../src/kernels/shared/windows.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import { fold } from "../../../src/reference/fold.js";
import * as reference from "../../../src/reference/unfold.js";
import { type WindowAttributes, windowCount } from "../../../src/reference/windows.js";
import { checkOperation } from "./check.js";

/** What MASA unfolds: coarse matching at three dilations, LR blocks (not square here), fine matching, extraction. */
const masa: readonly WindowAttributes[] = [
  { kernel: [3, 3], stride: [1, 1], padding: 1, dilation: 1 },
  { kernel: [3, 3], stride: [1, 1], padding: 2, dilation: 2 },
  { kernel: [3, 3], stride: [1, 1], padding: 3, dilation: 3 },
  { kernel: [6, 4], stride: [4, 2], padding: 0, dilation: 1 },
  { kernel: [3, 3], stride: [1, 1], padding: 0, dilation: 1 },
  { kernel: [6, 6], stride: [2, 2], padding: 0, dilation: 1 },
  { kernel: [12, 12], stride: [4, 4], padding: 0, dilation: 1 },
];

describe("unfold", () => {
  checkOperation<WindowAttributes>("unfold", {
    sample: (random, i) => {
      const attributes = masa[i] ?? {
        kernel: [random.int(1, 4), random.int(1, 5)],
        stride: [random.int(1, 3), random.int(1, 5)],
        padding: random.int(0, 4),
        dilation: random.int(1, 3),
      };
      // From the smallest image that holds a window to one that ends inside a window.
      const { kernel, padding, dilation } = attributes;
      const side = (d: 0 | 1) => Math.max(1, dilation * (kernel[d] - 1) + 1 - 2 * padding) + random.int(0, 9);
      return { inputs: { x: random.array([random.int(1, 3), random.int(1, 4), side(0), side(1)]) }, attributes };
    },
    graph: ({ x }, attributes) => ({ y: unfold(x as Tensor, attributes) }),
    reference: ({ x }, attributes) => ({ y: reference.unfold(x as NdArray, attributes) }),
    gradient: ({ x }, { y }, attributes) => {
      const [, , H, W] = (x as NdArray).shape as [number, number, number, number];
      return { x: fold(y as NdArray, [H, W], attributes) };
    },
    // Copies are exact.
    magnitude: ({ x }, attributes) => ({ y: map(reference.unfold(x as NdArray, attributes), () => 0) }),
    linear: ["x"],
    // The windows that share a pixel.
    terms: ({ x }, attributes) => {
      const [, , H, W] = (x as NdArray).shape as [number, number, number, number];
      const [rows, columns] = windowCount([H, W], attributes);
      return Math.min(rows * columns, attributes.kernel[0] * attributes.kernel[1]);
    },
  });

  it("says what is wrong with a window or a shape", () => {
    const unfolded = (shape: readonly number[], options: WindowOptions) => () =>
      trace(() => unfold(input("x", shape), options));
    const image = [1, 1, 4, 5];
    expect(unfolded(image, { kernel: [4, 5] })).not.to.throw();
    expect(unfolded(image, { kernel: [5, 5] }))
      .to.throw(ShapeError)
      .with.property("argument", "kernel");
    expect(unfolded(image, { kernel: 0 }))
      .to.throw(ShapeError)
      .with.property("argument", "kernel");
    expect(unfolded(image, { kernel: 3, stride: [1, 0] }))
      .to.throw(ShapeError)
      .with.property("argument", "stride");
    expect(unfolded(image, { kernel: 3, dilation: 0.5 }))
      .to.throw(ShapeError)
      .with.property("argument", "dilation");
    expect(unfolded(image, { kernel: 3, padding: -1 }))
      .to.throw(ShapeError)
      .with.property("argument", "padding");
    expect(unfolded([1, 4, 5], { kernel: 3 }))
      .to.throw(ShapeError)
      .with.property("argument", "x");
  });
});
