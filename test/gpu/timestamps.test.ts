import { expect } from "chai";
import { LimitError } from "../../src/gpu/errors.js";
import { Timestamps } from "../../src/gpu/timestamps.js";
import { matmul } from "../../src/graph/ops/matmul.js";
import { compile } from "../../src/graph/plan/plan.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { testDevice } from "../device.js";

describe("timestamps", () => {
  it("time each pass, no longer than the clock on the wall", async () => {
    const device = await testDevice();
    const timestamps = await Timestamps.create(device, 4);
    expect(timestamps !== undefined).to.equal(device.features.has("timestamp-query"));
    if (!timestamps) return;
    const shape = [1, 256, 256];
    const plan = await compile(device, { a: shape, b: shape }, ({ a, b }) => ({ y: matmul(a, b) }));
    try {
      plan.write({ a: new Float32Array(256 ** 2), b: new Float32Array(256 ** 2) });
      await device.finish();
      const begun = performance.now();
      for (let i = 0; i < 3; i++) await plan.replay({}, timestamps);
      await device.finish();
      const wall = performance.now() - begun;
      const times = await timestamps.read();
      expect(times).to.have.length(3);
      for (const time of times) expect(time).to.be.at.least(0);
      const sum = times.reduce((total, time) => total + time, 0);
      expect(sum).to.be.above(0).and.below(wall);
      // What Dawn does against spying pages, in steps of 65,536 ns.
      const rounded = (ms: number) => Math.round(ms * 1e6) % 65536 === 0;
      expect(times.every(rounded), `${times}`).to.equal(false);
      expect(await timestamps.read(), "nothing ran since").to.deep.equal([]);
    } finally {
      plan.dispose();
      timestamps.dispose();
    }
  });

  it("refuse more passes than there is room for", async () => {
    const device = await testDevice();
    const timestamps = await Timestamps.create(device, 1);
    if (!timestamps) return;
    timestamps.next();
    expect(() => timestamps.next()).to.throw(LimitError, "more than 1 passes");
    timestamps.dispose();
  });

  it("are not there where the adapter has none", async () => {
    const device = await openDevice({}, { ...nodePlatform, warn: () => {} });
    Object.defineProperty(device, "features", { value: new Set() });
    expect(await Timestamps.create(device, 1)).to.equal(undefined);
    device.dispose();
  });
});
