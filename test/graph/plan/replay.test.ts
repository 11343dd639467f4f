/** What a run costs the CPU: nothing is made but command buffers, and WebGPU is asked for errors once. */
import { expect } from "chai";
import type { Batch } from "../../../src/gpu/device.js";
import { ValidationError } from "../../../src/gpu/errors.js";
import { add, scale } from "../../../src/graph/ops/pointwise.js";
import { batchesOf } from "../../../src/graph/plan/batches.js";
import type { PlannedDispatch } from "../../../src/graph/plan/dispatches.js";
import { compile } from "../../../src/graph/plan/plan.js";
import { scope } from "../../../src/graph/trace/graph.js";
import { Parameters, zeros } from "../../../src/graph/trace/parameters.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { nodePlatform, openDevice } from "../../../src/platform/node.js";
import { rejection } from "../../rejection.js";

/** Dawn, whose device counts the calls of its methods into `calls`. */
function countingPlatform(calls: Map<string, number>) {
  const counted = (device: GPUDevice) =>
    new Proxy(device, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          calls.set(String(name), (calls.get(String(name)) ?? 0) + 1);
          return value.apply(target, args);
        };
      },
    });
  const adapterOf = (adapter: GPUAdapter) =>
    new Proxy(adapter, {
      get: (target, name) =>
        name === "requestDevice"
          ? async (descriptor: GPUDeviceDescriptor) => counted(await target.requestDevice(descriptor))
          : Reflect.get(target, name, target),
    });
  return {
    ...nodePlatform,
    warn: () => {},
    async gpu(wanted: string | undefined) {
      const gpu = await nodePlatform.gpu(wanted);
      return { requestAdapter: async () => adapterOf((await gpu.requestAdapter()) as GPUAdapter) } as unknown as GPU;
    },
  };
}

const network = ({ x }: { x: Tensor }) => {
  let y = x;
  for (let i = 0; i < 100; i++) y = scope(i < 50 ? "first" : "second", () => add(scale(y, 0.5), x));
  return { y };
};

describe("replay", () => {
  it("makes no buffer, bind group or pipeline, and one command buffer a batch", async () => {
    const calls = new Map<string, number>();
    const device = await openDevice({}, countingPlatform(calls));
    try {
      const plan = await compile(device, { x: [4] }, network);
      expect(calls.get("createBindGroup"), "one a dispatch, when the plan is made").to.equal(200);
      calls.clear();
      for (let run = 1; run <= 2; run++) {
        plan.write({ x: Float32Array.of(1, 2, 3, 4) });
        await plan.replay();
        // Two stages of 100 dispatches, 64 in a batch.
        const encoders = ["createCommandEncoder", 4 * run] as const;
        expect([...calls].sort()).to.deep.equal([encoders, ["popErrorScope", 3 * run], ["pushErrorScope", 3 * run]]);
      }
      calls.clear();
      const { y } = await plan.read();
      expect([...calls.keys()].sort()).to.deep.equal(["createCommandEncoder", "popErrorScope", "pushErrorScope"]);
      expect([...y.data], "y = y/2 + x goes to 2x").to.deep.equal([2, 4, 6, 8]);
    } finally {
      device.dispose();
    }
  });

  it("throws what WebGPU says of any of its batches", async () => {
    const device = await openDevice({}, { ...nodePlatform, warn: () => {} });
    const parameters = new Parameters();
    const weight = parameters.declare("weight", [4], zeros);
    await parameters.allocate(device);
    const plan = await compile(device, { x: [4] }, ({ x }) => ({ y: add(network({ x }).y, weight) }));
    const x = new Float32Array(4);
    await plan.run({ x });
    weight.buffer?.gpu.destroy();
    const error = await rejection(plan.run({ x }));
    expect(error).to.be.instanceOf(ValidationError);
    expect(error.message).to.match(/destroyed/);
    device.dispose();
  });
});

describe("batches", () => {
  const dispatch = (work: Partial<PlannedDispatch>): PlannedDispatch => ({
    ...{ shader: "fill", label: "", scope: "", bytes: 0, bindings: {}, workgroups: [1, 1, 1] },
    ...work,
  });
  const cut = (dispatches: readonly PlannedDispatch[], software = false) => {
    const commands = dispatches.map(() => ({}) as Batch["commands"][number]);
    const batches = batchesOf(commands, dispatches, software);
    expect(batches.flatMap((batch) => batch.commands)).to.deep.equal(commands);
    return batches.map(({ commands, stage, done, total }) => [stage, done, commands.length, total]);
  };

  it("hold 64 small dispatches", () => {
    expect(cut(Array.from({ length: 130 }, () => dispatch({})))).to.deep.equal([
      ["", 0, 64, 130],
      ["", 64, 64, 130],
      ["", 128, 2, 130],
    ]);
  });

  it("hold as little arithmetic and as few bytes as no watchdog minds", () => {
    const half = 2 ** 33;
    const work = [{ flops: half }, { flops: half }, { bytes: half / 16 }, { flops: 9 * half }, {}, {}];
    expect(cut(work.map(dispatch)).map(([, done]) => done)).to.deep.equal([0, 2, 3, 4]);
    expect(cut(work.map(dispatch), true).map(([, done]) => done)).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it("belong to one stage each, the outermost scope", () => {
    const scopes = ["a.x", "a", "b", "a", "a.y"];
    expect(cut(scopes.map((scope) => dispatch({ scope })))).to.deep.equal([
      ["a", 0, 2, 2],
      ["b", 0, 1, 1],
      ["a", 0, 2, 2],
    ]);
  });

  it("tell how much of all the work comes before them", () => {
    const dispatches = [
      dispatch({ scope: "a", flops: 3000 }),
      dispatch({ scope: "b", bytes: 500 / 16 }),
      dispatch({ scope: "c", flops: 500 }),
    ];
    const commands = dispatches.map(() => ({}) as Batch["commands"][number]);
    const shares = batchesOf(commands, dispatches).map(({ share, shareAfter }) => [share, shareAfter]);
    expect(shares).to.deep.equal([
      [0, 0.75],
      [0.75, 0.875],
      [0.875, 1],
    ]);
  });

  it("are none where there is nothing to do", () => expect(cut([])).to.deep.equal([]));
});
