import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { replicatePad } from "../../../src/graph/ops/replicate_pad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/replicate_pad.js";
import { checkOperation, type Random } from "./check.js";

type Padding = reference.Padding;

describe("replicate_pad", () => {
  checkOperation<Padding>("replicate_pad", {
    sample: (random, i) => ({
      inputs: {
        x: random.array([random.int(1, 3), random.pick([1, 3, 7]), random.int(1, 9), random.pick([1, 2, 7, 64, 67])]),
      },
      attributes: i === 0 ? [0, 0, 0, 0] : i === 1 ? [1, 1, 1, 1] : pixels(random),
    }),
    graph: ({ x }, padding) => ({ y: replicatePad(x as Tensor, padding) }),
    reference: ({ x }, padding) => ({ y: reference.replicatePad(x as NdArray, padding) }),
    gradient: ({ x }, { y }, padding) => ({
      x: reference.replicatePadGradient(y as NdArray, (x as NdArray).shape, padding),
    }),
    // Copies are exact.
    magnitude: ({ x }, padding) => ({ y: map(reference.replicatePad(x as NdArray, padding), () => 0) }),
    linear: ["x"],
    // What the pixel of a 1×1 image sums up.
    terms: (_, [left, right, top, bottom]) => (left + 1 + right) * (top + 1 + bottom),
  });

  it("says what is wrong with a padding or a shape", () => {
    const padded = (shape: readonly number[], padding: readonly number[]) => () =>
      trace(() => replicatePad(input("x", shape), padding as unknown as Padding));
    expect(padded([1, 1, 2, 2], [0, 1, 2, 3])).not.to.throw();
    expect(padded([1, 1, 2, 2], [0, 1, 2, -3]))
      .to.throw(ShapeError)
      .with.property("argument", "padding");
    expect(padded([1, 1, 2, 2], [0, 1, 2, 0.5]))
      .to.throw(ShapeError)
      .with.property("argument", "padding");
    expect(padded([1, 1, 2, 2], [1, 1]))
      .to.throw(ShapeError)
      .with.property("argument", "padding");
    expect(padded([1, 2, 2], [1, 1, 1, 1]))
      .to.throw(ShapeError)
      .with.property("argument", "x");
  });
});

function pixels(random: Random): Padding {
  return [random.int(0, 4), random.int(0, 4), random.int(0, 4), random.int(0, 4)];
}
