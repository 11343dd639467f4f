/** `masa conformance` on sets that are incomplete or wrong; what it computes is tested with its runner. */
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { writeSafetensors } from "../../src/files/safetensors.js";
import { FileTensor } from "../../src/formats/tensor.js";
import { inFolder } from "../files/golden.js";
import { masa } from "./masa.js";

const RELU = {
  part: "ops",
  name: "relu",
  op: "relu",
  file: "set.safetensors",
  hyper: {},
  inputs: { x: { shape: [2], const: 3 } },
  outputs: { y: { key: "y", shape: [2], dtype: "F32", tol_abs: 1e-6, tol_rel_l2: 1e-6 } },
};
const UNKNOWN = { ...RELU, name: "new", op: "relu9" };

/** Runs `test` with a set of the two cases, the unknown one first, in the folder `set` of a new folder. */
const withSet = (test: (folder: string) => Promise<void>) =>
  inFolder(async (folder) => {
    await mkdir(join(folder, "set"));
    const formula_tests = [{ seed: 0, i: 1, hash: 301794027, uniform: -0.8594663143157959 }];
    await writeFile(join(folder, "set/manifest.json"), JSON.stringify({ formula_tests, cases: [UNKNOWN, RELU] }));
    const y = FileTensor.of("F32", [2], Float32Array.of(3, 3));
    await writeSafetensors(join(folder, "set/set.safetensors"), new Map([["y", y]]));
    await test(folder);
  });

describe("masa conformance", () => {
  /** One message, and nothing else. */
  async function fails(folder: string, code: number, message: RegExp, ...args: readonly string[]) {
    const before = readdirSync(folder, { recursive: true });
    const ended = await masa(["conformance", ...args], {}, undefined, folder);
    const [first, ...more] = ended.stderr.trimEnd().split("\n");
    expect(first)
      .to.match(/^masa conformance: /)
      .and.match(message);
    expect(more).to.have.length(code === 2 ? 1 : 0);
    expect({ code: ended.code, stdout: ended.stdout }).to.deep.equal({ code, stdout: "" });
    expect(readdirSync(folder, { recursive: true })).to.deep.equal(before);
  }

  it("refuses, before the GPU is opened, what is no set", () =>
    withSet(async (folder) => {
      await fails(folder, 1, /none.manifest\.json cannot be read\. Name the folder that holds a set/, "none");
      await fails(folder, 1, /manifest\.json cannot be read/, ".");
      await fails(folder, 2, /missing required argument 'folder'/);
      await fails(folder, 2, /set has no case 'nothing'; --list prints them/, "set", "--filter", "nothing");
      await fails(
        folder,
        1,
        /cannot write none\/r\.json: the folder none does not exist/,
        "set",
        "--json",
        "none/r.json",
      );
      await rm(join(folder, "set/set.safetensors"));
      await fails(folder, 1, /set\.safetensors, which case relu needs, is missing\. Copy the whole set/, "set");
      await writeFile(join(folder, "set/manifest.json"), '{ "cases": [');
      await fails(folder, 1, /manifest\.json is no JSON: .*Copy the set again$/, "set");
    }));

  it("counts what it does not know as failed, goes on, and writes the report", () =>
    withSet(async (folder) => {
      const { code, stdout } = await masa(["conformance", "set", "--json", "report.json"], {}, undefined, folder);
      expect(code).to.equal(1);
      expect(stdout).to.match(
        /^new +op relu9 is unknown\. Update this program, .* FAIL .*\nrelu .* pass .*\n1 passed, 1 failed\n$/,
      );
      const report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8"));
      expect(report).to.include({ passed: 1, failed: 1 });
    }));

  it("stops and fails when nothing reads its report any more", () =>
    withSet(async (folder) => {
      const closed = await masa(["conformance", "set"], {}, (child) => child.stdout?.destroy(), folder);
      expect(closed.code).to.equal(1);
      expect(closed.stderr).to.match(/^masa conformance: stopped, because nothing takes its output any more$/m);
    }));
});
