import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readSafetensors } from "../../src/files/safetensors.js";
import { readWeights } from "../../src/files/weights.js";
import { SHIPPED_WEIGHTS } from "../../src/models/load.js";
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

  it("writes a state dict for PyTorch and a model for ONNX Runtime", async () => {
    const { code, stdout, stderr } = await run("--out", "w.pth", "--onnx", "w.onnx", "--lr", "16x24", "--ref", "48x64");
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    expect(stdout).to.match(
      /^w\.pth holds [\d,]+ parameters in 32 bits\nw\.onnx enlarges 16×24 pixels by a reference of 48×64, with [\d,]+ parameters\n$/,
    );
    const [written, shipped] = await Promise.all([join(folder, "w.pth"), SHIPPED_WEIGHTS].map(readWeights));
    expect(written!.size).to.equal(shipped!.size);
    for (const [name, tensor] of shipped!) expect(written!.get(name)?.data, name).to.deep.equal(tensor.toFloat32());
    for (const name of ["w.pth", "w.onnx"]) rmSync(join(folder, name));
  });

  it("refuses names and sizes that cannot be meant", async () => {
    for (const [args, wanted, message] of [
      [[], 2, /nothing is to be written; give --out or --onnx/],
      [["--out", "w.onnx"], 2, /--out w\.onnx is no \.safetensors or \.pth file; end its name so/],
      [["--onnx", "w.onnx", "--half"], 2, /--half is for --out; an ONNX model has 32 bits/],
      [["--onnx", "w.pth"], 2, /--onnx w\.pth is no \.onnx file; end its name so/],
      [["--onnx", "w.onnx", "--lr", "40"], 2, /Give height and width in pixels, as 120x160/],
      [["--onnx", "w.onnx", "--lr", "42x40"], 1, /height 42, .*Pad it to/],
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
