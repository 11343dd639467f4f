import { expect } from "chai";
import { ShapeError } from "../../../src/gpu/errors.js";
import * as ops from "../../../src/graph/ops/pointwise.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { input, trace } from "../../../src/graph/trace/graph.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { map, type NdArray } from "../../../src/reference/array.js";
import { POINTWISE, type PointwiseName, pointwise, pointwiseGradient } from "../../../src/reference/pointwise.js";
import { testDevice } from "../../device.js";
import { type Arrays, checkOperation, type OperationCheck, type Random } from "./check.js";

const BINARY = ["add", "sub", "mul", "div", "reluGradient", "leakyReluGradient"] as const;
const UNARY = ["relu", "leakyRelu", "neg", "abs", "sign", "square", "scale", "shift", "softplus"] as const;

const FUNCTIONS = {
  add: ops.add,
  sub: ops.sub,
  mul: ops.mul,
  div: ops.div,
  reluGradient: ops.reluGradient,
  leakyReluGradient: ops.leakyReluGradient,
  relu: ops.relu,
  leakyRelu: ops.leakyRelu,
  neg: ops.neg,
  abs: ops.abs,
  sign: ops.sign,
  square: ops.square,
  scale: ops.scale,
  shift: ops.shift,
  softplus: ops.softplus,
} satisfies Record<PointwiseName, unknown>;

/** Every way to stretch two operands of four sides: bit d of `i` stretches side d of a, bit d + 4 that of b. */
function broadcastPair(random: Random, i: number): [number[], number[]] {
  const sides = Array.from({ length: 4 }, () => random.int(2, 6));
  const stretched = (bits: number) => sides.map((side, d) => ((bits >> d) & 1 ? 1 : side));
  const bits = (i * 37) % 256;
  // Leading sides of 1 may also be missing.
  const trimmed = (shape: number[]) => {
    const first = shape.findIndex((side) => side > 1);
    return i % 3 === 0 ? shape.slice(first < 0 ? 4 : first) : shape;
  };
  return [stretched(bits & 15), trimmed(stretched(bits >> 4))];
}

/** Values in ±[0.05, 1.05]: away from 0, where some have a kink and division has its pole. */
function awayFromZero(random: Random, shape: readonly number[]): NdArray {
  return map(random.array(shape), (value) => Math.fround(value + (value < 0 ? -0.05 : 0.05)));
}

const absolute = (x: NdArray | undefined) => map(x as NdArray, Math.abs);

/**
 * Σ|terms| is the operation on absolute values, with + for −. WGSL's exp errs by 3 + 2|x| units in the last place, here 5,
 * where other functions err by two or three.
 */
function sizes(name: PointwiseName, { a, b = a }: Arrays, { y: dy }: Arrays, alpha: number): Arrays {
  const positive = name === "sub" ? "add" : name;
  const margin = (x: NdArray) => map(x, (value) => (name === "softplus" ? 2 : 1) * Math.abs(value));
  const y = pointwise(positive, absolute(a), absolute(b), Math.abs(alpha));
  const { da, db } = pointwiseGradient(positive, absolute(a), absolute(b), absolute(dy ?? y), Math.abs(alpha));
  return { y: margin(y), a: margin(da), b: margin(db) };
}

/** The check of one row: an operation of two operands has them stretched in another way in each case. */
function check(name: PointwiseName, alphas: readonly number[]): OperationCheck<{ alpha: number }> {
  const binary = (BINARY as readonly string[]).includes(name);
  const call = FUNCTIONS[name] as (...operands: (Tensor | number)[]) => Tensor;
  const plain: OperationCheck<{ alpha: number }> = {
    cases: binary ? 54 : 12,
    sample(random, i) {
      const attributes = { alpha: random.pick(alphas) };
      const [a, b] = broadcastPair(random, i).map((shape) => awayFromZero(random, shape)) as [NdArray, NdArray];
      return { inputs: binary ? { a, b } : { a: i % 2 === 0 ? a : b }, attributes };
    },
    graph: ({ a, b }, { alpha }) => ({ y: call(...[a as Tensor, ...(b ? [b] : []), alpha]) }),
    reference: ({ a, b }, { alpha }) => ({ y: pointwise(name, a as NdArray, b ?? a, alpha) }),
    // The gradient of a stretched operand sums over what it was stretched to; all else is one term.
    terms: (inputs) => {
      const size = pointwise("add", inputs.a as NdArray, inputs.b).data.length;
      return Math.max(...Object.values(inputs).map(({ data }) => size / data.length));
    },
    magnitude: (inputs, { alpha }) => sizes(name, inputs, {}, alpha),
  };
  if (!("da" in POINTWISE[name])) return plain;
  return {
    ...plain,
    gradient({ a, b }, { y }, { alpha }): Arrays {
      const { da, db } = pointwiseGradient(name, a as NdArray, (b ?? a) as NdArray, y as NdArray, alpha);
      return b ? { a: da, b: db } : { a: da };
    },
    gradientMagnitude: (inputs, upstream, { alpha }) => sizes(name, inputs, upstream, alpha),
  };
}

describe("pointwise", () => {
  for (const name of BINARY) checkOperation(name, check(name, [0.2]));
  for (const name of UNARY) checkOperation(name, check(name, [0.2, 3, 0.5]));

  it("covers the table", () => {
    expect([...BINARY, ...UNARY].sort()).to.deep.equal(Object.keys(POINTWISE).sort());
  });

  it("has PyTorch's values and gradients at 0", async () => {
    const plan = await compile(await testDevice(), { x: [2], dy: [2] }, ({ x, dy }) => {
      const gradient = (y: Tensor) => grad([y], [x], [dy])[0] as Tensor;
      return {
        relu: gradient(ops.relu(x)),
        leaky: gradient(ops.leakyRelu(x, 0.2)),
        abs: gradient(ops.abs(x)),
        sign: ops.sign(x),
        softplus: gradient(ops.softplus(x)),
      };
    });
    const got = dataOf(await plan.run({ x: new Float32Array([0, -0]), dy: new Float32Array([3, -5]) }));
    plan.dispose();
    expect([...got.relu]).to.deep.equal([0, 0]);
    expect([...got.leaky]).to.deep.equal([Math.fround(0.2 * 3), -1]);
    for (const name of ["abs", "sign"] as const) expect([...got[name]].map(Math.abs)).to.deep.equal([0, 0]);
    expect([...got.softplus]).to.deep.equal([1.5, -2.5]);
  });

  it("softplus neither overflows nor loses small values", async () => {
    const x = [-80, -30, -10, -1e-3, 0, 1e-3, 10, 30, 1e30];
    const plan = await compile(await testDevice(), { x: [x.length] }, ({ x }) => ({ y: ops.softplus(x) }));
    const { y } = dataOf(await plan.run({ x: Float32Array.from(x) }));
    plan.dispose();
    for (const [i, value] of x.entries()) {
      const expected = POINTWISE.softplus.value(Math.fround(value));
      const relative = (3 + 2 * Math.abs(value) * Math.exp(-Math.max(value, 0))) * 2 ** -23;
      expect(Math.abs((y[i] as number) - expected), `softplus(${value})`).to.be.most(relative * expected);
    }
  });

  it("takes a scalar [], and one tensor as both operands", async () => {
    const plan = await compile(await testDevice(), { x: [2, 3], s: [] }, ({ x, s }) => {
      const y = ops.mul(ops.mul(x, x), s);
      const [dx, ds] = grad([y], [x, s], [ops.fill([2, 3], 1)]) as [Tensor, Tensor];
      return { y, dx, ds };
    });
    const { y, dx, ds } = dataOf(await plan.run({ x: new Float32Array([1, 2, 3, 4, 5, 6]), s: new Float32Array([2]) }));
    plan.dispose();
    expect([...y]).to.deep.equal([2, 8, 18, 32, 50, 72]);
    expect([...dx]).to.deep.equal([4, 8, 12, 16, 20, 24]);
    expect([...ds]).to.deep.equal([91]);
  });

  it("fills more elements than one row of workgroups holds", async () => {
    const shape = [3, 1024, 1024];
    const plan = await compile(await testDevice(), { x: [1] }, ({ x }) => ({ y: ops.add(ops.fill(shape, 0.5), x) }));
    const { y } = dataOf(await plan.run({ x: new Float32Array([0.25]) }));
    plan.dispose();
    expect(y.length).to.equal(3 * 2 ** 20);
    expect(y.every((value) => value === 0.75)).to.equal(true);
  });

  it("refuses shapes that do not broadcast, naming the operand", () => {
    const build = (a: number[], b: number[]) => trace(() => ops.add(input("left", a), input("right", b))).result.shape;
    expect(() => build([2, 3], [2, 4])).to.throw(ShapeError, "add: left has shape [2,3]");
    expect(() => build([2, 4], [2, 3])).to.throw(ShapeError, "add: right has shape [2,3]");
    expect(build([2, 3], [3])).to.deep.equal([2, 3]);
    expect(build([3], [4, 2, 1])).to.deep.equal([4, 2, 3]);
  });
});
