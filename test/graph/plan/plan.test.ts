import { expect } from "chai";
import type { Device } from "../../../src/gpu/device.js";
import { LimitError, OutOfGpuMemoryError, ShapeError } from "../../../src/gpu/errors.js";
import { matmul } from "../../../src/graph/ops/matmul.js";
import { add, fill, mul, relu, scale, square } from "../../../src/graph/ops/pointwise.js";
import { mean, sum } from "../../../src/graph/ops/reduce.js";
import { compile, dataOf, type PlanProgress, plan } from "../../../src/graph/plan/plan.js";
import { grad } from "../../../src/graph/trace/grad.js";
import { constant, scope, trace } from "../../../src/graph/trace/graph.js";
import { ones, Parameters } from "../../../src/graph/trace/parameters.js";
import { GraphError, type Tensor } from "../../../src/graph/trace/tensor.js";
import { reshape } from "../../../src/graph/trace/view.js";
import { nodePlatform, openDevice } from "../../../src/platform/node.js";
import { testDevice } from "../../device.js";
import { rejection } from "../../rejection.js";

describe("plan", () => {
  let device: Device;
  before(async () => {
    device = await testDevice();
  });
  const x = Float32Array.of(-1, 2, -3, 4);
  const network = ({ x }: { x: Tensor }) => {
    let y = x;
    for (let i = 0; i < 20; i++) y = scope(`stage ${i % 2}`, () => relu(add(scale(y, 1.5), constant("one", [1], [1]))));
    const loss = mean(square(y));
    return { loss, y, dx: grad(loss, [x])[0] as Tensor };
  };

  it("gives a replay the same bits as the first run, and a plan made anew the same bits", async () => {
    const make = () => compile(device, { x: [1, 4] }, network);
    const bits = async (plan: Awaited<ReturnType<typeof make>>) => {
      const results = Object.values(await plan.run({ x }));
      return results.map(({ floats }) => [...new Uint32Array(floats.buffer)]);
    };
    const plan = await make();
    const first = await bits(plan);
    expect(await bits(plan)).to.deep.equal(first);
    plan.dispose();
    const fresh = await make();
    expect(await bits(fresh)).to.deep.equal(first);
    fresh.dispose();
  });

  it("takes the variants that are chosen for the device, or for the plan, where they are valid", async () => {
    const product = ({ a, b }: Readonly<Record<"a" | "b", Tensor>>) => ({ y: matmul(a, b) });
    const shapes = { a: [1, 64, 32], b: [1, 32, 64] };
    const shadersWith = async (choices?: ReadonlyMap<string, string>) => {
      const plan = await compile(device, shapes, product, { choices });
      plan.dispose();
      return [plan.dispatches.map(({ shader }) => shader).join(), plan.choices[0]?.taken];
    };
    const plan = await compile(device, shapes, product);
    const [choice] = plan.choices;
    plan.dispose();
    expect(choice?.key).to.equal("matmul 1 of 64×32·32×64");
    expect(choice?.candidates).to.include.members(["shared-memory/64x64", "direct"]);
    expect(choice?.node.operation.name).to.equal("matmul");
    const key = choice?.key as string;
    device.choices.set(key, "direct");
    try {
      expect(await shadersWith()).to.deep.equal(["matmul", "direct"]);
      expect(await shadersWith(new Map([[key, "shared-memory/64x64"]]))).to.deep.equal([
        "matmul_tiled",
        "shared-memory/64x64",
      ]);
      const other = new Map([[key, "of another version"]]);
      expect((await shadersWith(other))[1], "the default").to.equal(choice?.taken);
    } finally {
      device.choices.clear();
    }
  });

  it("reads new data in each run", async () => {
    const plan = await compile(device, { x: [4] }, ({ x }) => ({ y: scale(x, 2) }));
    expect([...dataOf(await plan.run({ x })).y]).to.deep.equal([-2, 4, -6, 8]);
    expect([...dataOf(await plan.run({ x: Float32Array.of(1, 2, 3, 4) })).y]).to.deep.equal([2, 4, 6, 8]);
    plan.dispose();
  });

  it("takes exactly the bytes it predicts, and gives them all back", async () => {
    const before = device.memory().bytes;
    let predicted = 0;
    const onMemory = (bytes: number) => {
      predicted = bytes;
      expect(device.memory().bytes, "nothing taken yet").to.equal(before);
    };
    const plan = await compile(device, { x: [1, 4] }, network, { onMemory });
    expect(device.memory().bytes - before)
      .to.equal(predicted)
      .and.to.equal(plan.bytes);
    await plan.run({ x });
    expect(device.memory().bytes - before).to.equal(predicted);
    plan.dispose();
    expect(device.memory().bytes).to.equal(before);
  });

  it("reuses the memory of tensors that are no longer needed", async () => {
    const chain = (length: number) => (inputs: { x: Tensor }) => {
      let y = inputs.x;
      for (let i = 0; i < length; i++) y = scale(y, 1.5);
      return { y };
    };
    const short = await compile(device, { x: [1000] }, chain(4));
    const long = await compile(device, { x: [1000] }, chain(40));
    expect(long.bytes - short.bytes, "36 more parameter blocks and no tensor").to.equal(36 * 256);
    short.dispose();
    long.dispose();
  });

  it("lets views share memory and outputs survive", async () => {
    const plan = await compile(device, { x: [4] }, ({ x }) => {
      const y = reshape(scale(x, 2), [2, 2]);
      const z = scale(reshape(y, [4]), 10);
      return { y, rows: sum(y, [1]), z };
    });
    const { y, rows, z } = dataOf(await plan.run({ x }));
    expect([[...y], [...rows], [...z]]).to.deep.equal([
      [-2, 4, -6, 8],
      [2, 2],
      [-20, 40, -60, 80],
    ]);
    plan.dispose();
  });

  it("skips what no output needs", async () => {
    const plan = await compile(device, { x: [4] }, ({ x }) => {
      scale(x, 5);
      return { y: scale(x, 2) };
    });
    expect(plan.dispatchCount).to.equal(1);
    plan.dispose();
  });

  it("reads only the outputs asked for", async () => {
    const plan = await compile(device, { x: [4] }, ({ x }) => ({ y: scale(x, 2), z: scale(x, 3) }));
    expect(Object.keys(dataOf(await plan.run({ x }, { read: ["z"] })))).to.deep.equal(["z"]);
    plan.dispose();
  });

  it("takes and returns nested records and lists, in which results have their shapes", async () => {
    const specs = { images: { a: [2, 2], b: { shape: [2, 2], dtype: "i32" } }, factors: [[1], [2, 1]] } as const;
    const plan = await compile(device, specs, ({ images: { a, b }, factors: [one, two] }) => {
      const loss = mean(square(mul(mul(a, one), two)));
      return { loss, same: { b }, gradients: grad(loss, [one, two]), none: undefined };
    });
    const data = {
      images: { a: x, b: Int32Array.of(1, 2, 3, 4) },
      factors: [Float32Array.of(1), Float32Array.of(1, 2)],
    };
    const { loss, same, gradients, none } = await plan.run(data as never);
    expect(loss.shape).to.deep.equal([1, 1]);
    expect(loss.item()).to.equal((1 + 4 + 4 * 9 + 4 * 16) / 4);
    expect(same.b).to.deep.include({ name: "same.b", shape: [2, 2] });
    expect([...same.b.integers]).to.deep.equal([1, 2, 3, 4]);
    expect(gradients.map(({ shape }) => shape)).to.deep.equal([[1], [2, 1]]);
    expect(gradients[1]?.name).to.equal("gradients.1");
    expect(none).to.equal(undefined);
    const read = await plan.run({ ...data, images: { a: x, b: same.b } } as never, { read: ["same"] });
    expect(Object.keys(read)).to.deep.equal(["same"]);
    expect(() => same.b.floats).to.throw(GraphError, "same.b holds integers");
    expect(() => loss.integers).to.throw(GraphError, "loss is not i32");
    expect(() => same.b.item()).to.throw(GraphError, "same.b has shape [2,2]");
    plan.dispose();
  });

  it("names an input of another shape, an output that is no tensor, and two outputs of one name", async () => {
    const plan = await compile(device, { x: [2, 2] }, ({ x }) => ({ y: scale(x, 2) }));
    expect((await rejection(plan.run({ x: { shape: [4], data: x } }))).message).to.match(
      /input x has shape \[4\], not \[2,2\]/,
    );
    plan.dispose();
    const build = (outputs: object) => () => compile(device, { x: [4] }, () => outputs);
    expect((await rejection(build({ y: { z: 3 } })())).message).to.match(/output y\.z is 3/);
    const one = (): Promise<unknown> => compile(device, { x: [4] }, ({ x }) => ({ a: { b: x }, "a.b": x }));
    expect((await rejection(one())).message).to.match(/two outputs are called a\.b/);
  });

  it("reports stages and a share that never falls", async () => {
    const seen: PlanProgress[] = [];
    const plan = await compile(device, { x: [1, 4] }, network);
    await plan.run({ x }, { onProgress: (progress) => seen.push(progress) });
    expect(seen[0]).to.include({ stage: "stage 0", done: 0 });
    let last = { stage: "", done: 0, share: 0 };
    for (const { stage, done, total, share } of seen) {
      expect(done).to.be.within(stage === last.stage && last.done < total ? last.done : 0, total);
      expect(share).to.be.within(last.share, 1);
      last = { stage, done, share };
    }
    expect(seen.at(-1)?.done).to.equal(seen.at(-1)?.total);
    expect(last.share).to.equal(1);
    plan.dispose();
  });

  it("stops when the signal says so, and runs again after", async () => {
    const plan = await compile(device, { x: [1, 4] }, network);
    const reason = new Error("enough");
    expect(await rejection(plan.run({ x }, { signal: AbortSignal.abort(reason) }))).to.equal(reason);
    await plan.run({ x });
    plan.dispose();
  });

  it("names an input that is missing, of the wrong length, or of the wrong type", async () => {
    const plan = await compile(device, { x: [4] }, ({ x }) => ({ y: scale(x, 2) }));
    const message = async (data: never) => (await rejection(plan.run(data))).message;
    expect(await message({} as never)).to.contain("input x is missing");
    expect(await message({ x: new Float32Array(3) } as never)).to.contain("input x has 3 values");
    expect(await message({ x: new Int32Array(4) } as never)).to.contain("input x is a Int32Array");
    plan.dispose();
  });

  it("refuses to run twice at once, and after dispose", async () => {
    const plan = await compile(device, { x: [4] }, ({ x }) => ({ y: scale(x, 2) }));
    const first = plan.run({ x });
    expect(await rejection(plan.run({ x }))).to.be.instanceOf(GraphError);
    await first;
    plan.dispose();
    expect(await rejection(plan.run({ x }))).to.be.instanceOf(GraphError);
  });

  it("refuses to run unprepared, to be prepared twice, and to take memory once disposed", async () => {
    const before = device.memory().bytes;
    const unprepared = plan(device, { x: [4] }, ({ x }) => ({ y: scale(x, 2) }));
    expect((await rejection(unprepared.run({ x }))).message).to.contain("the plan is not prepared");
    const both = await Promise.allSettled([unprepared.prepare(), unprepared.prepare()]);
    expect(both.map(({ status }) => status)).to.deep.equal(["fulfilled", "rejected"]);
    await unprepared.run({ x });
    unprepared.dispose();
    expect((await rejection(unprepared.prepare())).message).to.contain("the plan was disposed");
    const meanwhile = plan(device, { x: [4] }, ({ x }) => ({ y: scale(x, 2) }));
    const preparing = rejection(meanwhile.prepare());
    meanwhile.dispose();
    expect((await preparing).message).to.contain("the plan was disposed");
    expect(device.memory().bytes).to.equal(before);
  });

  it("says that it was disposed while it ran", async () => {
    const plan = await compile(device, { x: [4] }, ({ x }) => ({ y: scale(x, 2) }));
    const running = rejection(plan.run({ x }));
    plan.dispose();
    const error = await running;
    expect(error).to.be.instanceOf(GraphError);
    expect(error.message).to.contain("the plan was disposed");
  });

  it("names parameters of another device, and parameters that were freed", async () => {
    using other = await openDevice({}, { ...nodePlatform, warn: () => {} });
    const parameters = new Parameters();
    const weight = parameters.declare("weight", [4], ones);
    const build = ({ x }: { x: Tensor }) => ({ y: mul(x, weight) });
    expect((await rejection(compile(device, { x: [4] }, build))).message).to.contain("weight is not on a GPU");
    await parameters.allocate(other);
    const wrong = await rejection(compile(device, { x: [4] }, build));
    expect(wrong).to.be.instanceOf(GraphError);
    expect(wrong.message).to.contain("weight is on another device than the plan");
    parameters.dispose();
    const twice = await Promise.allSettled([parameters.allocate(device), parameters.allocate(device)]);
    expect(twice.map(({ status }) => status)).to.deep.equal(["fulfilled", "rejected"]);
    const plan = await compile(device, { x: [4] }, build);
    await plan.run({ x });
    parameters.dispose();
    const freed = await rejection(plan.run({ x }));
    expect(freed).to.be.instanceOf(GraphError);
    expect(freed.message).to.contain("weight is not on a GPU");
    await parameters.allocate(device);
    expect((await rejection(plan.run({ x }))).message).to.contain("weight was freed after the plan was compiled");
    plan.dispose();
    parameters.dispose();
  });

  it("compares its bytes with the memory limit before it compiles or takes anything", async () => {
    const shader = () => {
      throw new Error("compiled");
    };
    const quiet = { ...nodePlatform, warn: () => {} };
    using small = await openDevice({ memoryLimit: 10_000 }, { ...quiet, shader });
    const error = await rejection(compile(small, { x: [10_000] }, ({ x }) => ({ y: scale(x, 2) })));
    expect(error).to.be.instanceOf(OutOfGpuMemoryError);
    expect(error.message).to.match(/the plan needs 117\.\d KiB, 0 B of 9\.8 KiB allowed are in use/);
    expect(small.memory().peakBytes).to.equal(0);
  });

  it("names the tensor that no binding can hold, and takes no memory", async () => {
    const small = await openDevice(
      { limits: { maxStorageBufferBindingSize: 2 ** 27 } },
      { ...nodePlatform, warn: () => {} },
    );
    const build = ({ fea }: { fea: Tensor }) => ({ loss: sum(scope("enc", () => scale(fea, 2))) });
    const error = await rejection(compile(small, { fea: [1, 64, 1024, 1024] }, build));
    expect(error).to.be.instanceOf(LimitError);
    expect(error.message).to.contain("enc/scale").and.to.contain("fea [1,64,1024,1024]").and.to.contain("256 MiB");
    expect(small.memory().bytes).to.equal(0);
    small.dispose();
  });

  it("refuses operations outside a graph and graphs inside a graph", () => {
    expect(() => fill([1], 0)).to.throw(GraphError, "outside a graph");
    expect(() => trace(() => trace(() => 0))).to.throw(GraphError, "being built already");
  });

  it("leaves no trace open after a build that throws", async () => {
    const error = await rejection(compile(device, { a: [2, 3], b: [2, 4] }, ({ a, b }) => ({ y: mul(a, b) })));
    expect(error).to.be.instanceOf(ShapeError);
    expect(error.message).to.contain("mul").and.to.contain("a has shape [2,3], which does not broadcast to [2,4]");
    (await compile(device, { x: [4] }, ({ x }) => ({ y: x }))).dispose();
  });
});
