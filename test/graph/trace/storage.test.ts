/** Tensors in 16 bits: what is stored so, what is cast, and who refuses it. */
import { expect } from "chai";
import { LimitError } from "../../../src/gpu/errors.js";
import { concat } from "../../../src/graph/ops/concat.js";
import { conv2d } from "../../../src/graph/ops/conv2d.js";
import { add, relu, scale } from "../../../src/graph/ops/pointwise.js";
import { sum } from "../../../src/graph/ops/reduce.js";
import { slice } from "../../../src/graph/ops/slice.js";
import { compile, dataOf, plan } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { cast, input, storedAs, trace } from "../../../src/graph/trace/graph.js";
import { GraphError, type Tensor } from "../../../src/graph/trace/tensor.js";
import { reshape } from "../../../src/graph/trace/view.js";
import { tune } from "../../../src/graph/tune/tune.js";
import { nodePlatform, openDevice } from "../../../src/platform/node.js";
import { testDevice } from "../../device.js";
import { rejection } from "../../rejection.js";

/** Steps whose results and products halves hold exactly. */
const doubled = (x: Tensor, times: number) =>
  Array.from({ length: times }).reduce<Tensor>((y) => scale(add(y, x), 0.5), x);

describe("storage in 16 bits", () => {
  it("takes half of the memory, also with an odd number of elements", async () => {
    const device = await testDevice();
    const bytes = (storage: "f32" | "f16", size: number) =>
      plan(device, { x: [size] }, ({ x }) => ({ y: storedAs(storage, () => doubled(relu(x), 3)) }));
    // Input, result and its staging; two tensors besides. Each dispatch has 256 bytes more, and halves have a cast at the end.
    expect(bytes("f32", 1001).bytes - 256 * 7).to.equal(5 * 4 * 1001);
    expect(bytes("f16", 1001).bytes - 256 * 8).to.equal(3 * 4 * 1001 + 2 * 2 * 1002);

    const x = Float32Array.of(1, -2, 3);
    const compiled = await compile(device, { x: [3] }, ({ x }) => ({
      y: storedAs("f16", () => doubled(relu(x), 3)),
    }));
    expect([...dataOf(await compiled.run({ x })).y]).to.deep.equal([1, 0, 3]);
    compiled.dispose();
  });

  it("is cast where an operation does not take it, seen through views, and read back as float32", async () => {
    const compiled = await compile(await testDevice(), { x: [2, 3] }, ({ x }) => {
      const half = reshape(cast(x, "f16"), [3, 2]);
      expect(half.dtype).to.equal("f16");
      const [row, joined] = storedAs("f16", () => [slice(half, 0, 1, 2), concat([half, relu(half)], 0)] as const);
      expect([row.dtype, joined.dtype]).to.deep.equal(["f32", "f32"]);
      return { half, row, joined };
    });
    const { half, row, joined } = dataOf(await compiled.run({ x: Float32Array.of(1, -2, 3, -4, 5, -6) }));
    compiled.dispose();
    expect(half).to.deep.equal(Float32Array.of(1, -2, 3, -4, 5, -6));
    expect(row).to.deep.equal(Float32Array.of(3, -4));
    expect(joined).to.deep.equal(Float32Array.of(1, -2, 3, -4, 5, -6, 1, 0, 3, 0, 5, 0));
  });

  it("holds within storedAs alone", () => {
    trace(() => {
      const x = input("x", [3]);
      const types = [relu(x), ...storedAs("f16", () => [relu(x), storedAs("f32", () => relu(x)), relu(x)]), relu(x)];
      expect(types.map(({ dtype }) => dtype)).to.deep.equal(["f32", "f16", "f32", "f16", "f32"]);
      expect(() => storedAs("f16", () => reshape(x, [4]))).to.throw();
      expect(relu(x).dtype).to.equal("f32");
    });
  });

  it("lets no gradient through, in silence", () => {
    const build = (wanted: boolean) => () =>
      trace(() => {
        const [x, y] = [input("x", [3]), input("y", [3])];
        const half = storedAs("f16", () => relu(x));
        return grad(sum(add(half, y)), [wanted ? x : y]);
      });
    expect(build(false)).not.to.throw();
    expect(build(true)).to.throw(GraphError, "relu is stored in 16 bits: no gradient flows through it");
  });

  it("is refused, before memory is taken, where the adapter has no halves", async () => {
    const device = await openDevice({}, { ...nodePlatform, warn: () => {} });
    Object.defineProperty(device, "features", { value: new Set() });
    const build = (storage: "f32" | "f16") =>
      compile(device, { x: [3] }, ({ x }) => ({ y: storedAs(storage, () => relu(x)) }));
    const error = await rejection(build("f16"));
    expect(error).to.be.instanceOf(LimitError);
    expect((error as Error).message).to.equal(
      "relu would be stored as f16, which this adapter does not support: it lacks shader-f16. " + 'Use storage: "f32"',
    );
    expect(device.memory().bytes).to.equal(0);
    (await build("f32")).dispose();
    device.dispose();
  });

  it("adds up in 32 bits what takes several dispatches", async () => {
    // 2049 of the first input and 1 of the second: halves hold no odd number there, and would lose both.
    const device = await testDevice();
    const network = ({ x, weight, concat }: Readonly<Record<string, Tensor>>) => ({
      y: storedAs("f16", () =>
        conv2d(cast(x as Tensor, "f16"), weight as Tensor, undefined, { concat: cast(concat as Tensor, "f16") }),
      ),
    });
    const shape = [1, 64, 16, 16];
    const shapes = { x: shape, weight: [64, 128, 1, 1], concat: shape };
    const { choices } = plan(device, shapes, network);
    const [choice] = choices;
    expect(choice?.key).to.equal("convolve 64+64→64 1×1 s1 p0 d1 [1,64,16,16] f16+f16→f16");
    for (const variant of choice?.candidates ?? []) {
      const compiled = await compile(device, shapes, network, { choices: new Map([[choice?.key as string, variant]]) });
      const ones = new Float32Array(64 * 256).fill(1);
      const weight = Float32Array.from({ length: 64 * 128 }, (_, i) => (i % 128 < 64 ? 2049 / 64 : 1 / 64));
      const { y } = dataOf(await compiled.run({ x: ones, concat: ones, weight }));
      compiled.dispose();
      expect(new Set(y), variant).to.deep.equal(new Set([2050]));
    }
  });

  it("is tuned for itself", async () => {
    const device = await testDevice();
    const shapes = { x: [1, 16, 24, 24], weight: [16, 16, 3, 3] };
    const { choices } = plan(device, shapes, ({ x, weight }) => ({
      y: storedAs("f16", () => conv2d(cast(x, "f16"), weight, undefined, { padding: 1 })),
    }));
    const tuned = await tune(device, choices, { budget: 60_000 });
    expect(tuned.map(({ key, failed }) => [key, failed.size])).to.deep.equal([
      ["convolve 16→16 3×3 s1 p1 d1 [1,16,24,24] f16→f16", 0],
    ]);
    expect(tuned[0]?.times.size).to.equal(choices[0]?.candidates.length).and.be.above(1);
  });
});
