import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import { chroma } from "../../../src/graph/ops/chroma.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import * as reference from "../../../src/reference/chroma.js";
import { checkOperation, type Random } from "./check.js";

const SPECIAL = [
  [1, 3, 1, 1],
  [2, 3, 5, 7],
  [1, 3, 40, 61],
  [2, 1, 4, 4],
];

function sampleShape(random: Random, i: number): readonly number[] {
  return SPECIAL[i] ?? [random.int(1, 3), random.int(2, 4), random.int(1, 9), random.int(1, 9)];
}

/** |x| plus the mean of |x| over the channels. */
function magnitude(x: NdArray): NdArray {
  const [absolute, centred] = [map(x, Math.abs), reference.chroma(map(x, Math.abs))];
  return map(absolute, (value, i) => 2 * value - (centred.data[i] as number));
}

describe("chroma", () => {
  checkOperation("chroma", {
    cases: 50,
    sample: (random, i) => ({ inputs: { x: random.array(sampleShape(random, i), 2, 0.5) }, attributes: null }),
    graph: ({ x }) => ({ y: chroma(x as Tensor) }),
    reference: ({ x }) => ({ y: reference.chroma(x as NdArray) }),
    gradient: (_, { y }) => ({ x: reference.chromaGradient(y as NdArray) }),
    linear: ["x"],
    terms: ({ x }) => (x?.shape[1] ?? 0) + 1,
    magnitude: ({ x }) => ({ y: magnitude(x as NdArray) }),
    gradientMagnitude: (_, { y }) => ({ x: magnitude(y as NdArray) }),
  });

  it("ignores brightness and keeps colour", () => {
    const image = ndarray([1, 3, 1, 2], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
    const brighter = map(image, (value) => value + 0.25);
    const [before, after] = [reference.chroma(image), reference.chroma(brighter)];
    for (const [i, value] of before.data.entries()) expect(after.data[i]).to.be.closeTo(value, 1e-15);
    // Blue of the first pixel 0.3 higher: +0.2 there, −0.1 in green and red.
    const bluer = reference.chroma(map(image, (value, i) => (i === 0 ? value + 0.3 : value)));
    const change = [...bluer.data].map((value, i) => Math.round(1e9 * (value - before.data[i]!)) / 1e9);
    expect(change).to.deep.equal([0.2, 0, -0.1, 0, -0.1, 0]);
  });

  it("refuses what is not an image", () => {
    const build = (shape: number[]) => trace(() => chroma(input("image", shape)));
    expect(() => build([3, 8])).to.throw(ShapeError, "chroma: image has shape [3,8]; expected [N, C, H, W]");
    expect(build([1, 3, 2, 2]).result.shape).to.deep.equal([1, 3, 2, 2]);
  });
});
