import { createHook } from "node:async_hooks";
import { spawnSync } from "node:child_process";
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

  it("is not changed by openDevice unless asked, and idles either way", () => {
    const at = (name: string) => JSON.stringify(new URL(`../../src/${name}`, import.meta.url).href);
    for (const pace of [false, true]) {
      const script = `
        import { nodePlatform, openDevice } from ${at("platform/node.js")};
        const { setImmediate } = globalThis;
        const device = await openDevice({ pacePolling: ${pace} }, { ...nodePlatform, warn: () => {} });
        await device.finish();
        const changed = globalThis.setImmediate !== setImmediate;
        await new Promise((resolve) => setTimeout(resolve, 200));
        const before = process.cpuUsage();
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const { user, system } = process.cpuUsage(before);
        device.dispose();
        console.log(changed, (user + system) / 1e6);`;
      const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
        encoding: "utf8",
      });
      const [changed, cores] = stdout.trim().split(" ");
      expect(changed, stderr).to.equal(String(pace));
      expect(Number(cores), "cores while idle").to.be.below(0.1);
    }
  });

  it("can be turned off", () => {
    const script = `
      import { pacePolling } from ${JSON.stringify(new URL("../../src/platform/polling.js", import.meta.url).href)};
      const { setImmediate } = globalThis;
      const restore = pacePolling();
      console.log(globalThis.setImmediate !== setImmediate, pacePolling() === restore);
      restore();
      console.log(globalThis.setImmediate === setImmediate);`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(stdout).to.equal("true true\ntrue\n");
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
