import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readSafetensors } from "../../src/files/safetensors.js";
import { SHIPPED_WEIGHTS } from "../../src/train/weights.js";
import { masa } from "./masa.js";

describe("masa export", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "masa-export-"));
    symlinkSync(SHIPPED_WEIGHTS, join(folder, "link.safetensors"));
  });
  after(() => rmSync(folder, { recursive: true }));

  const run = (...args: string[]) => masa(["export", "--weights", "link.safetensors", ...args], {}, undefined, folder);

  it("writes the network alone; what was exported, exported again, has the same numbers", async () => {
    const { code, stdout, stderr } = await run("--out", "w.safetensors", "--half");
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(stdout).to.match(/^w\.safetensors holds [\d,]+ parameters in 16 bits\n$/);
    const [again, shipped] = await Promise.all([join(folder, "w.safetensors"), SHIPPED_WEIGHTS].map(readSafetensors));
    for (const [name, { data }] of shipped!.tensors) expect(again!.tensors.get(name)?.data, name).to.deep.equal(data);
    rmSync(join(folder, "w.safetensors"));
  });

  it("refuses names that cannot be meant", async () => {
    for (const [args, wanted, message] of [
      [["--out", "w.pth"], 2, /--out w\.pth is no \.safetensors file; end its name so/],
      [["--out", "link.safetensors"], 2, /--out link\.safetensors would replace the weights/],
      [["--out", "none/w.safetensors"], 1, /the folder none does not exist/],
      [["--out", "w.safetensors", "--weights", "none.pth"], 1, /none\.pth does not exist/],
    ] as const) {
      const { code, stdout, stderr } = await run(...args);
      expect({ code, stdout }, args.join(" ")).to.deep.equal({ code: wanted, stdout: "" });
      expect(stderr)
        .to.match(/^masa export: /)
        .and.match(message);
    }
    expect(readdirSync(folder)).to.deep.equal(["link.safetensors"]);
  });
});
