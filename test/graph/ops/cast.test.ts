import { expect } from "chai";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { cast, input, trace } from "../../../src/graph/trace/graph.js";
import { GraphError, type Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray, ndarray } from "../../../src/reference/array.js";
import { roundToHalf } from "../../../src/reference/cast.js";
import { testDevice } from "../../device.js";
import { checkOperation } from "./check.js";

/** Numbers below it are denormal as halves, and may become 0. */
const LEAST_NORMAL = 2 ** -14;

/** Every finite half. */
function allHalves(): Float32Array {
  const values = Array.from({ length: 31 << 10 }, (_, bits) => {
    const [exponent, fraction] = [bits >> 10, (bits & 1023) / 1024];
    return exponent === 0 ? fraction * LEAST_NORMAL : (1 + fraction) * 2 ** (exponent - 15);
  });
  return Float32Array.from([...values, ...values.map((value) => -value)]);
}

describe("cast", () => {
  checkOperation("cast", {
    halfCases: 0,
    // Odd numbers of elements leave half of a word at the end.
    sample: (random, i) => ({
      inputs: { x: random.array([random.int(1, 9), random.pick([1, 3, 7, 64])], 10 ** ((i % 8) - 3)) },
      attributes: null,
    }),
    graph: ({ x }) => ({ y: cast(x as Tensor, "f16") }),
    reference: ({ x }) => ({ y: roundToHalf(x as NdArray) }),
    terms: () => 1,
    // The bound, over check.ts's 2⁻²²: WGSL rounds to either of the two halves around a number.
    magnitude: ({ x }) => ({ y: map(x as NdArray, (v) => 2 ** 22 * (2 ** -10 * Math.abs(v) + LEAST_NORMAL)) }),
  });

  it("keeps every half, and gives nothing but halves", async () => {
    const x = allHalves();
    const between = x.map((value, i) => value * (1 + (i % 7) * 2 ** -13));
    const plan = await compile(await testDevice(), { x: [x.length], between: [x.length] }, (tensors) => ({
      x: cast(tensors.x, "f16"),
      between: cast(tensors.between, "f16"),
    }));
    const got = dataOf(await plan.run({ x, between }));
    plan.dispose();
    const normal = (value: number) => Math.abs(value) >= LEAST_NORMAL;
    expect(x.filter((value, i) => got.x[i] !== value && (normal(value) || got.x[i] !== 0))).to.have.length(0);
    const rounded = roundToHalf(ndarray([x.length], got.between)).data;
    expect(rounded.filter((value, i) => value !== got.between[i])).to.have.length(0);
  });

  it("leaves alone what is stored so already, and what are no fractions", () => {
    trace(() => {
      const [x, index] = [input("x", [3]), input("index", [3], "i32")];
      expect(cast(x, "f32")).to.equal(x);
      expect(cast(index, "f16")).to.equal(index);
      const half = cast(x, "f16");
      expect(half.dtype).to.equal("f16");
      expect(cast(half, "f16")).to.equal(half);
      expect(cast(half, "f32").dtype).to.equal("f32");
    });
  });

  it("has no gradient", () => {
    const build = () => trace(() => grad(cast(input("x", [1]), "f16"), [input("other", [1])]));
    expect(build).not.to.throw();
    const through = () =>
      trace(() => {
        const x = input("x", [1]);
        return grad(cast(cast(x, "f16"), "f32"), [x]);
      });
    expect(through).to.throw(GraphError, "cast is stored in 16 bits: no gradient flows through it. Train with 32 bits");
  });
});

describe("rounding to halves", () => {
  for (const [value, half] of [
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    [-1 - 2 ** -11 - 2 ** -20, -1 - 2 ** -10],
    [1 - 2 ** -13, 1],
    [2 ** -25, 0],
    [3 * 2 ** -25, 2 ** -23],
    [65519, 65504],
    [65520, Number.POSITIVE_INFINITY],
    [0.1, 0.0999755859375],
  ] as const)
    it(`makes ${half} of ${value}`, () => {
      expect([...roundToHalf(ndarray([1], [value])).data]).to.deep.equal([half]);
    });
});
