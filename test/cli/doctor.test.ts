import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { CHECK } from "../../src/cli/doctor.js";
import { ndarray } from "../../src/reference/array.js";
import { conv2d } from "../../src/reference/conv2d.js";
import { masa, node } from "./masa.js";

describe("masa doctor", () => {
  it("reports this machine, computes, and ends with 0", async () => {
    const { code, stdout } = await masa(["doctor"]);
    const rows = ["Node", "System", "webgpu", "Adapters", "Chosen", "Limits", "Features", "Check", "Verdict"];
    for (const row of rows) expect(stdout).to.match(new RegExp(`^${row} +\\S`, "m"));
    expect(stdout).to.include("conv2d gives the known numbers").and.include("masa runs here");
    expect(code).to.equal(0);
  });

  const onLinux = process.platform === "linux" ? it : () => {}; // elsewhere no variable hides the adapter
  onLinux("says what to do without an adapter, and ends with 1", async () => {
    const { code, stdout } = await masa(["doctor"], { VK_DRIVER_FILES: "/no/such/driver.json" });
    expect(stdout).to.match(/^Vulkan +\/no\/such\/driver.json \(does not exist\)$/m);
    expect(stdout).to.match(/^Verdict +masa cannot run here: no GPU adapter was found\.[\s\S]*lavapipe/m);
    expect(code).to.equal(1);
  });

  it("says what to do where Dawn does not load, and ends with 1", async () => {
    const hook = `export async function resolve(name, context, next) {
      if (name === "webgpu") throw new Error("GLIBC_2.34 not found");
      return next(name, context); }`;
    const register = `import { register } from "node:module"; register(${JSON.stringify(dataUrl(hook))});`;
    const main = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
    const { code, stdout } = await node(["--import", dataUrl(register), main, "doctor"]);
    expect(stdout).to.match(
      /^Verdict +masa cannot run here: the npm package webgpu does not load on .*: GLIBC_2.34 not found\./m,
    );
    expect(code).to.equal(1);
  });

  it("checks with numbers that the reference confirms", () => {
    const { x, weight, bias, options, y } = CHECK;
    const arrays = [x, weight, bias].map(({ shape, data }) => ndarray(shape, data)) as Parameters<typeof conv2d>;
    expect([...conv2d(arrays[0], arrays[1], arrays[2], options).data]).to.deep.equal([...y]);
  });
});

function dataUrl(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`;
}
