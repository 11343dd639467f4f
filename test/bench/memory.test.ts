import { expect } from "chai";
import { type MemoryRow, memoryRows } from "../../bench/memory.js";
import type { AdapterInfo, Device } from "../../src/gpu/device.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { testDevice } from "../device.js";

const GIB = 2 ** 30;

describe("GPU memory of the official network", () => {
  const check = (rows: readonly MemoryRow[]) => {
    const gib = (name: string) => {
      const row = rows.find((candidate) => candidate.name.startsWith(name));
      return expect((row as MemoryRow).bytes / GIB, name);
    };
    gib("training 9 × 160×160, L1, perceptual, adversarial").to.be.within(2, 3.5);
    gib("training 9 × 160×160, the same, --recompute").to.be.within(1, 2);
    gib("training 9 × 160×160, L1").to.be.within(1.5, 3.5);
    gib("upscaling 80×128 with 320×512").to.be.within(0.1, 0.8);
    gib("training 9 × 160×160, L1, --micro-batch 3").to.be.within(0.5, 1.2);
    gib("training 4 × 96×96, preset small").to.be.within(0.02, 0.2);
    for (const { name, bytes, kept } of rows)
      expect(kept, name).to.be.within(name.includes("preset") ? 0 : 4 * 4_028_291, bytes);
  };

  it("is within its bounds, and planned without taking any", async () => {
    const device = await testDevice();
    const before = device.memory();
    check(memoryRows(device));
    expect(device.memory()).to.deep.equal(before);
  });

  it("is within its bounds on other adapters, which take other kernels", async () => {
    const device: Device = await openDevice({}, { ...nodePlatform, warn: () => {} });
    const info: AdapterInfo = { ...device.info, software: !device.info.software };
    Object.defineProperty(device, "info", { value: info });
    check(memoryRows(device));
    device.dispose();
  });
});
