import { expect } from "chai";
import type { Device } from "../../src/gpu/device.js";
import { Profiler } from "../../src/gpu/profiler.js";
import { matmul } from "../../src/graph/ops/matmul.js";
import { add, scale } from "../../src/graph/ops/pointwise.js";
import { compile, dataOf } from "../../src/graph/plan/plan.js";
import { scope } from "../../src/graph/trace/graph.js";
import type { Tensor } from "../../src/graph/trace/tensor.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { testDevice } from "../device.js";

const SIDE = 64;
const data = { a: Float32Array.from({ length: SIDE ** 2 }, (_, i) => Math.sin(i)) };
const network = ({ a }: { a: Tensor }) => {
  const b = scope("first", () => scale(a, 0.5));
  return { y: scope("second.part", () => add(matmul(a, b), matmul(b, a))) };
};

/** One profiled run of the network. */
async function profiled(device: Device) {
  const plan = await compile(device, { a: [1, SIDE, SIDE] }, network);
  const { shader } = plan.dispatches[1] as { shader: string };
  const expected = dataOf(await plan.run(data));
  const profiler = await Profiler.create(device);
  const begun = performance.now();
  const result = dataOf(await plan.run(data, { profiler }));
  const wall = performance.now() - begun;
  expect(result, "the same bits as without a profiler").to.deep.equal(expected);
  profiler.dispose();
  plan.dispose();
  return { profiler, wall, shader };
}

function checkProfile({ profiler, wall, shader }: { profiler: Profiler; wall: number; shader: string }): void {
  const { dispatches, phases } = profiler;
  expect(dispatches.map(({ label }) => label)).to.deep.equal([
    "first/scale",
    ...["second.part/matmul", "second.part/matmul", "second.part/add"],
  ]);
  expect(dispatches[1]).to.include({ shader, scope: "second.part", flops: 2 * SIDE ** 3 });
  expect(dispatches[1]?.bytes, "two factors and the product").to.equal(3 * 4 * SIDE ** 2);
  let last = 0;
  for (const { begin, end } of dispatches) {
    expect(begin).to.be.at.least(last);
    expect(end).to.be.at.least(begin);
    last = end;
  }
  const spent = dispatches.reduce((sum, { begin, end }) => sum + end - begin, 0);
  expect(spent).to.be.above(0).and.below(wall);
  expect(phases.map(({ name }) => name)).to.include.members(["upload", "encode", "wait", "read"]);
  const matmuls = profiler.totals((dispatch) => dispatch.shader).get(shader);
  expect(matmuls).to.include({ dispatches: 2, flops: 4 * SIDE ** 3, bytes: 6 * 4 * SIDE ** 2 });
  expect([...profiler.totals(({ scope }) => scope).keys()]).to.deep.equal(["first", "second.part"]);
}

describe("profiler", () => {
  it("tells the time of each dispatch and of what the CPU does", async () => {
    const device = await testDevice();
    const { bytes } = device.memory();
    checkProfile(await profiled(device));
    expect(device.memory().bytes, "gives its memory back").to.equal(bytes);
  });

  it("takes the clock where the adapter has no timestamps", async () => {
    const device = await openDevice({}, { ...nodePlatform, warn: () => {} });
    Object.defineProperty(device, "features", { value: new Set() });
    const run = await profiled(device);
    expect(run.profiler.timestamps).to.equal(undefined);
    checkProfile(run);
    device.dispose();
  });

  it("times more dispatches than a query set has room for", async () => {
    const device = await testDevice();
    const count = 2100;
    const plan = await compile(device, { x: [4] }, ({ x }) => {
      let y = x;
      for (let i = 0; i < count; i++) y = add(y, x);
      return { y };
    });
    const profiler = await Profiler.create(device);
    const { y } = dataOf(await plan.run({ x: Float32Array.of(1, 2, 3, 4) }, { profiler }));
    expect([...y]).to.deep.equal([1, 2, 3, 4].map((x) => (count + 1) * x));
    expect(profiler.dispatches).to.have.length(count);
    // The second portion of timestamps begins where the first ended, not at its own zero.
    const begins = profiler.dispatches.map(({ begin }) => begin);
    expect(begins).to.deep.equal([...begins].sort((a, b) => a - b));
    profiler.dispose();
    plan.dispose();
  });

  it("writes a trace with a track each for GPU and CPU", async () => {
    const { profiler, shader } = await profiled(await testDevice());
    const { traceEvents } = JSON.parse(JSON.stringify(profiler.trace())) as { traceEvents: Record<string, unknown>[] };
    const tracks = new Map(
      traceEvents.filter(({ ph }) => ph === "M").map(({ tid, args }) => [tid, (args as { name: string }).name]),
    );
    expect([...tracks.values()].sort()).to.deep.equal(["CPU", "GPU"]);
    const events = traceEvents.filter(({ ph }) => ph === "X");
    for (const event of events) {
      expect(event.ts, String(event.name)).to.be.a("number").and.at.least(0);
      expect(event.dur, String(event.name)).to.be.a("number").and.at.least(0);
      expect(event.pid).to.equal(1);
    }
    const gpu = events.filter(({ tid }) => tracks.get(tid) === "GPU");
    expect(gpu.map(({ name }) => name)).to.deep.equal(profiler.dispatches.map(({ label }) => label));
    const workgroups = profiler.dispatches[1]?.workgroups.join("×");
    expect(gpu[1]?.args).to.deep.include({ shader, workgroups, flops: 2 * SIDE ** 3 });
    // Which more constants there are depends on the kernel.
    expect(gpu[1]?.args)
      .to.have.property("variant")
      .that.matches(/^TRANSPOSE_A = false, TRANSPOSE_B = false(,|$)/);
    const cpu = events.filter(({ tid }) => tracks.get(tid) === "CPU");
    expect(cpu.map(({ name }) => name)).to.include.members(["encode", "wait"]);
  });
});
