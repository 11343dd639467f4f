/** The command itself: what it prints last, and how it ends. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { goldenPath } from "../files/golden.js";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

function masa(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, "conformance", ...args], { encoding: "utf8" });
  return { status, lines: stdout.trimEnd().split("\n"), stderr };
}

describe("masa conformance", () => {
  it("ends with the totals and writes every comparison", async () => {
    const folder = await mkdtemp(join(tmpdir(), "conformance-"));
    try {
      const json = join(folder, "report.json");
      const { status, lines } = masa(goldenPath(""), "--filter", "relu", "--json", json);
      expect(lines.at(-1)).to.equal("3 passed, 0 failed");
      expect(lines).to.have.length(4);
      expect(status).to.equal(0);
      const report = JSON.parse(await readFile(json, "utf8"));
      expect(report.cases.map(({ name }: { name: string }) => name)).to.deep.equal([
        "relu",
        "leaky_relu_0.2",
        "leaky_relu_0.1",
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("ends with exit code 1 where a case fails", async () => {
    const folder = await mkdtemp(join(tmpdir(), "conformance-"));
    try {
      const flops = (name: string, total: number) => ({
        part: "flops",
        name,
        op: "flops",
        parameters: { total },
        counts: [],
      });
      const manifest = { formula_tests: [], cases: [flops("right", 4028291), flops("wrong", 4028292)] };
      await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest));
      const { status, lines } = masa(folder);
      expect(lines[0]).to.match(/^right {2}parameters total 0 \/ .* pass /);
      expect(lines[1]).to.match(/^wrong {2}parameters total 1 \/ .* FAIL /);
      expect(lines[2]).to.equal("1 passed, 1 failed");
      expect(status).to.equal(1);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("lists cases without running them", () => {
    const { status, lines } = masa(goldenPath(""), "--list", "--filter", "modules/transfer");
    expect(lines).to.deep.equal(["modules/transfer_s1", "modules/transfer_s2", "modules/transfer_s4"]);
    expect(status).to.equal(0);
  });

  it("refuses a folder without a manifest and a filter that nothing matches", () => {
    const missing = masa(tmpdir());
    expect(missing.status).to.equal(1);
    expect(missing.stderr).to.match(/^masa conformance: .*manifest\.json cannot be read\. Name the folder/);
    const nothing = masa(goldenPath(""), "--filter", "no such case");
    expect(nothing.status).to.equal(2);
    expect(nothing.stderr).to.match(/has no case 'no such case'/);
  });
});
