import { expect } from "chai";
import { ShapeError } from "../../src/gpu/errors.js";
import { input, trace } from "../../src/graph/trace/graph.js";
import type { Tensor } from "../../src/graph/trace/tensor.js";
import { difference } from "../../src/nn/difference.js";
import { map, type NdArray, ndarray } from "../../src/reference/array.js";
import * as reference from "../../src/reference/difference.js";
import { checkOperation, type Random } from "../graph/ops/check.js";

const SPECIAL = [
  { shape: [2], dim: 0 },
  { shape: [1, 3, 1, 2], dim: 3 },
  { shape: [1, 3, 40, 61], dim: 2 },
  { shape: [2, 3, 41, 20], dim: 3 },
];

function sample(random: Random, i: number) {
  const special = SPECIAL[i];
  if (special) return special;
  const shape = Array.from({ length: random.int(1, 4) }, () => random.int(2, 9));
  return { shape, dim: random.int(0, shape.length - 1) };
}

/** The same sums of absolute values. */
const magnitude = (x: NdArray, dim: number) =>
  map(reference.difference(map(x, Math.abs), dim), (_, i) => {
    const [side, stride] = [x.shape[dim] as number, x.shape.slice(dim + 1).reduce((a, b) => a * b, 1)];
    const at = i + Math.floor(i / (stride * (side - 1))) * stride;
    return Math.abs(x.data[at] as number) + Math.abs(x.data[at + stride] as number);
  });
const gradientMagnitude = (dy: NdArray, dim: number) => {
  const absolute = map(dy, Math.abs);
  // |a| + |b| is a sum instead of a difference: dx of |dy| with the other sign of every second place.
  const stride = dy.shape.slice(dim + 1).reduce((a, b) => a * b, 1);
  const sign = (i: number, side: number) => ((Math.floor(i / stride) % side) % 2 === 0 ? 1 : -1);
  const alternating = map(absolute, (value, i) => value * sign(i, dy.shape[dim] as number));
  return map(reference.differenceGradient(alternating, dim), Math.abs);
};

describe("difference", () => {
  checkOperation("difference", {
    cases: 50,
    sample: (random, i) => {
      const { shape, dim } = sample(random, i);
      return { inputs: { x: random.array(shape, 2, 0.5) }, attributes: dim };
    },
    graph: ({ x }, dim) => ({ y: difference(x as Tensor, dim) }),
    reference: ({ x }, dim) => ({ y: reference.difference(x as NdArray, dim) }),
    gradient: (_, { y }, dim) => ({ x: reference.differenceGradient(y as NdArray, dim) }),
    linear: ["x"],
    terms: () => 2,
    magnitude: ({ x }, dim) => ({ y: magnitude(x as NdArray, dim) }),
    gradientMagnitude: (_, { y }, dim) => ({ x: gradientMagnitude(y as NdArray, dim) }),
  });

  it("subtracts each pixel from its neighbour", () => {
    const image = ndarray([1, 1, 2, 3], [1, 2, 4, 8, 16, 32]);
    expect([...reference.difference(image, 3).data]).to.deep.equal([1, 2, 8, 16]);
    expect([...reference.difference(image, 2).data]).to.deep.equal([7, 14, 28]);
  });

  it("refuses what has no neighbours", () => {
    const build = (shape: number[], dim: number) => trace(() => difference(input("image", shape), dim));
    const message = "difference: image has shape [3,1]; expected at least 2 elements along side 1";
    expect(() => build([3, 1], 1)).to.throw(ShapeError, message);
    expect(() => build([3, 2], 2)).to.throw(ShapeError);
    expect(build([3, 2], 1).result.shape).to.deep.equal([3, 1]);
  });
});
