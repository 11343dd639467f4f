import { expect } from "chai";
import type { Device } from "../../../src/gpu/device.js";
import { LimitError, OutOfGpuMemoryError } from "../../../src/gpu/errors.js";
import { scale } from "../../../src/graph/ops/pointwise.js";
import { dataOf, plan } from "../../../src/graph/plan/plan.js";
import { PlanCache } from "../../../src/graph/plan/plan_cache.js";
import type { Tensor } from "../../../src/graph/trace/tensor.js";
import { nodePlatform, openDevice } from "../../../src/platform/node.js";
import { testDevice } from "../../device.js";
import { rejection } from "../../rejection.js";

const double = ({ x }: { x: Tensor }) => ({ y: scale(x, 2) });

describe("a cache of plans", () => {
  let device: Device;
  let before: number;
  const bytesOf = (...shape: number[]) => plan(device, { x: shape }, double).bytes;
  const taken = () => device.memory().bytes - before;

  beforeEach(async () => {
    device = await testDevice();
    before = device.memory().bytes;
  });
  afterEach(() => expect(taken()).to.equal(0));

  it("gives the same plan for the same shapes, and one that computes for others", async () => {
    const cache = new PlanCache(device, double, 2 ** 20);
    const told: number[] = [];
    const first = await cache.get({ x: [3] }, (bytes) => told.push(bytes));
    const other = await cache.get({ x: [1, 4] }, (bytes) => told.push(bytes));
    expect(await cache.get({ x: [3] }, (bytes) => told.push(bytes))).to.equal(first);
    expect(told).to.deep.equal([bytesOf(3), bytesOf(1, 4)]);
    expect([...dataOf(await first.run({ x: Float32Array.of(1, 2, 3) })).y]).to.deep.equal([2, 4, 6]);
    expect([...dataOf(await other.run({ x: Float32Array.of(1, 2, 3, 4) })).y]).to.deep.equal([2, 4, 6, 8]);
    cache.dispose();
  });

  it("frees what was used longest ago where its bytes are used up", async () => {
    const cache = new PlanCache(device, double, bytesOf(100) + bytesOf(200) + bytesOf(50));
    const a = await cache.get({ x: [100] });
    const b = await cache.get({ x: [200] });
    await cache.get({ x: [100] });
    await cache.get({ x: [60] });
    expect(taken()).to.equal(bytesOf(100) + bytesOf(60));
    expect(await cache.get({ x: [100] })).to.equal(a);
    expect(await cache.get({ x: [200] })).not.to.equal(b);
    cache.dispose();
  });

  it("holds one that needs more than all its bytes alone", async () => {
    for (const bytes of [0, 1000]) {
      const cache = new PlanCache(device, double, bytes);
      for (const size of [1000, 7, 3000, 5, 2000]) {
        await cache.get({ x: [size] });
        expect(taken()).to.equal(bytesOf(size));
      }
      cache.dispose();
    }
  });

  it("compiles once for calls at the same time, and nothing that outlives dispose", async () => {
    const cache = new PlanCache(device, double, 2 ** 20);
    const plans = await Promise.all([1, 2, 3].map(() => cache.get({ x: [100] })));
    expect(new Set(plans).size).to.equal(1);
    expect(taken()).to.equal(bytesOf(100));
    const late = rejection(cache.get({ x: [200] }));
    cache.dispose();
    expect((await late).message).to.contain("disposed while it was compiled");
  });

  it("gives up what it keeps for later before it runs out of memory, and only then", async () => {
    const memoryLimit = bytesOf(1000) + bytesOf(10);
    const small = await openDevice({ memoryLimit }, { ...nodePlatform, warn: () => {} });
    const cache = new PlanCache(small, double, 2 ** 20);
    await cache.get({ x: [100] });
    await cache.get({ x: [1000] });
    expect(small.memory().bytes).to.equal(bytesOf(1000));
    expect(await rejection(cache.get({ x: [5000] }))).to.be.instanceOf(OutOfGpuMemoryError);
    expect(small.memory().bytes).to.equal(0);
    expect(await rejection(cache.get({ x: [2 ** 40] }))).to.be.instanceOf(LimitError);
    await cache.get({ x: [1000] });
    small.dispose();
  });
});
