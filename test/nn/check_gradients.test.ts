import { expect } from "chai";
import { ArgumentError } from "../../src/errors.js";
import { conv2d } from "../../src/graph/ops/conv2d.js";
import { gather } from "../../src/graph/ops/gather.js";
import { div, leakyRelu, mul, relu, square } from "../../src/graph/ops/pointwise.js";
import { compute } from "../../src/graph/plan/compute.js";
import { constant, record } from "../../src/graph/trace/graph.js";
import type { Operation, Tensor, Tensors } from "../../src/graph/trace/tensor.js";
import { pointwise } from "../../src/kernels/pointwise.js";
import { checkGradients, GradientError } from "../../src/nn/check_gradients.js";
import { testDevice } from "../device.js";
import { rejection } from "../rejection.js";

/** x² with a gradient of `factor` · 2x. */
const wrong = (factor: number) => {
  const operation: Operation<Tensors<"x">, Tensors<"y">> = {
    name: "wrong_square",
    outputs: ({ x }) => ({ y: { shape: x.shape } }),
    kernel: (recorder, { x }, { y }) => pointwise(recorder, { a: x }, { y }, { op: "SQUARE", alpha: 0 }),
    gradient: ({ inputs: { x }, dys: { y: dy } }) => ({
      x: mul(constant("factor", [1], [2 * factor]), mul(dy, x)),
    }),
  };
  return (x: Tensor) => record(operation, { x }).y;
};

describe("checkGradients", () => {
  it("accepts right gradients of linear and other inputs", async () => {
    const device = await testDevice();
    const conv = await checkGradients(
      device,
      ({ x, weight, bias }) => conv2d(x, weight, bias, { padding: 1 }),
      { x: [2, 3, 6, 5], weight: [4, 3, 3, 3], bias: [4] },
      { linear: ["x", "weight", "bias"] },
    );
    expect(Object.keys(conv)).to.deep.equal(["x", "weight", "bias"]);
    for (const { error, bound } of Object.values(conv)) expect(error).to.be.below(bound);
    const away = Float32Array.of(0.5, -0.7, 1.5, 2);
    await checkGradients(device, ({ a, b }) => div(square(a), b), { a: [4], b: { shape: [4], data: away } });
    await checkGradients(device, ({ x }) => leakyRelu(x, 0.2), { x: { shape: [4], data: away } });
  });

  it("finds a gradient that is wrong by a hundredth, or zero", async () => {
    const device = await testDevice();
    await checkGradients(device, ({ x }) => wrong(1)(x), { x: [20] });
    for (const factor of [1.01, 0.99, 0, -1]) {
      const error = await rejection(checkGradients(device, ({ x }) => wrong(factor)(x), { x: [20] }));
      expect(error, `${factor}`).to.be.instanceOf(GradientError);
      expect(error.message).to.contain("the gradient of x gives a slope of");
    }
    const linear = checkGradients(device, ({ x }) => mul(x, relu(x)), { x: [20] }, { linear: ["x"] });
    expect(await rejection(linear)).to.be.instanceOf(GradientError);
  });

  it("leaves integers alone, and needs a float", async () => {
    const device = await testDevice();
    const index = { shape: [1, 3], data: Int32Array.of(2, 0, 2) };
    const found = await checkGradients(device, ({ x, i }) => gather(x, i), { x: [1, 4, 3], i: index });
    expect(Object.keys(found)).to.deep.equal(["x"]);
    const none = checkGradients(device, ({ i }) => i, { i: index });
    expect(await rejection(none)).to.be.instanceOf(ArgumentError);
  });
});

describe("compute", () => {
  it("returns values with their shapes, of one tensor or of several, and leaves no memory behind", async () => {
    const device = await testDevice();
    const { bytes } = device.memory();
    const x = () => constant("x", [1, 3], [-1, 0, 2]);
    expect(await compute(device, () => relu(x()))).to.deep.include({ shape: [1, 3], data: Float32Array.of(0, 0, 2) });
    const { a, b } = await compute(device, () => ({ a: square(x()), b: x() }));
    expect([a.shape, [...a.data], [...b.data]]).to.deep.equal([
      [1, 3],
      [1, 0, 4],
      [-1, 0, 2],
    ]);
    expect(device.memory().bytes).to.equal(bytes);
  });
});
