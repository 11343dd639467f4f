import { expect } from "chai";
import type { Device } from "../../../src/gpu/device.js";
import { ShapeError } from "../../../src/gpu/errors.js";
import { add, mul, scale, sign, square } from "../../../src/graph/ops/pointwise.js";
import { sum } from "../../../src/graph/ops/reduce.js";
import { compile, dataOf } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { noGrad } from "../../../src/graph/trace/graph.js";
import { GraphError, type Tensor } from "../../../src/graph/trace/tensor.js";
import { detach, reshape } from "../../../src/graph/trace/view.js";
import { testDevice } from "../../device.js";
import { rejection } from "../../rejection.js";

describe("grad", () => {
  let device: Device;
  before(async () => {
    device = await testDevice();
  });
  const run = async (build: (x: Tensor) => Tensor) => {
    const plan = await compile(device, { x: [3] }, ({ x }) => ({ y: build(x) }));
    const { y } = dataOf(await plan.run({ x: Float32Array.of(1, 2, 3) }));
    plan.dispose();
    return [...y];
  };
  const dx = (f: (x: Tensor) => Tensor) => run((x) => grad(sum(f(x)), [x])[0] as Tensor);

  it("adds the gradients of a tensor that is used several times", async () => {
    expect(await dx((x) => add(add(mul(x, x), x), scale(x, 10)))).to.deep.equal([13, 15, 17]);
  });

  it("flows through views", async () => {
    expect(await dx((x) => square(reshape(x, [3, 1])))).to.deep.equal([2, 4, 6]);
  });

  it("stops at detach and in noGrad", async () => {
    expect(await dx((x) => mul(x, detach(square(x))))).to.deep.equal([1, 4, 9]);
    expect(
      await dx((x) =>
        mul(
          x,
          noGrad(() => square(x)),
        ),
      ),
    ).to.deep.equal([1, 4, 9]);
  });

  it("is zero for a tensor that the loss does not depend on", async () => {
    expect(await run((x) => grad(sum(detach(x)), [x])[0] as Tensor)).to.deep.equal([0, 0, 0]);
  });

  it("takes upstream gradients, and differentiates with respect to intermediate tensors", async () => {
    const y = await run((x) => {
      const middle = scale(x, 3);
      return grad([square(middle)], [middle], [x])[0] as Tensor;
    });
    expect(y).to.deep.equal([6, 24, 54]);
  });

  it("differentiates twice where operations allow it", async () => {
    const y = await run((x) => {
      const first = grad(sum(mul(square(x), x)), [x])[0] as Tensor;
      return grad(sum(first), [x])[0] as Tensor;
    });
    expect(y).to.deep.equal([6, 12, 18]);
  });

  it("names an operation that has no gradient", async () => {
    const error = await rejection(dx((x) => sign(x)));
    expect(error).to.be.instanceOf(GraphError);
    expect(error.message).to.contain("operation sign has no gradient").and.to.contain("noGrad");
  });

  it("wants a loss of one value, and upstreams of the outputs' shapes", async () => {
    expect(await rejection(run((x) => grad(x, [x])[0] as Tensor))).to.be.instanceOf(ShapeError);
    const upstream = run((x) => grad([x], [x], [sum(x)])[0] as Tensor);
    expect(await rejection(upstream)).to.be.instanceOf(ShapeError);
  });
});
