import { createHook } from "node:async_hooks";
import { promisify } from "node:util";
import { expect } from "chai";
import { matmul } from "../../src/graph/ops/matmul.js";
import { compile } from "../../src/graph/plan/plan.js";
import { testDevice } from "../device.js";

describe("polling", () => {
  it("asks a few times a millisecond at most while the GPU works", async () => {
    const device = await testDevice();
    const side = 512;
    const plan = await compile(device, { x: [1, side, side] }, ({ x }) => {
      let y = x;
      for (let i = 0; i < 16; i++) y = matmul(y, x);
      return { y };
    });
    const run = () => plan.run({ x: new Float32Array(side * side) });
    let immediates = 0;
    const hook = createHook({ init: (_id, type) => (immediates += Number(type === "Immediate")) });
    try {
      await run();
      const began = performance.now();
      hook.enable();
      await run();
      const milliseconds = performance.now() - began;
      // Unpaced it is some hundred a millisecond.
      expect(immediates).to.be.below(500 + 2 * milliseconds);
    } finally {
      hook.disable();
      plan.dispose();
    }
  });

  it("leaves setImmediate to everyone else as it was", async () => {
    await testDevice();
    const seen: unknown[] = [];
    setImmediate((...values: unknown[]) => seen.push(...values), 1, "a");
    const cancelled = setImmediate(() => seen.push("cancelled"));
    clearImmediate(cancelled);
    expect(await promisify(setImmediate)("value")).to.equal("value");
    expect(seen).to.deep.equal([1, "a"]);
  });
});
