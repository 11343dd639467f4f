import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";

interface Requirements {
  unsupported(machine: { versions: { node: string }; platform: string; arch: string }): string | undefined;
  packagesMissing(root: string): string | undefined;
}
interface Build {
  isBuilt(root: string): boolean;
  staleOutputs(root: string): string[];
}
const scripts = new URL("../../../scripts/", import.meta.url);
const { unsupported, packagesMissing } = (await import(new URL("requirements.mjs", scripts).href)) as Requirements;
const { isBuilt, staleOutputs } = (await import(new URL("build.mjs", scripts).href)) as Build;

describe("setup", () => {
  let root: string;
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  };
  const writeLocks = (wanted: object, installed: object) => {
    write("package-lock.json", JSON.stringify({ packages: { "": {}, ...wanted } }));
    write("node_modules/.package-lock.json", JSON.stringify({ packages: installed }));
  };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "masa-setup-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("refuses an old Node and a platform without Dawn, by name", () => {
    const machine = (node: string, platform: string, arch: string) =>
      unsupported({ versions: { node }, platform, arch });
    expect(machine("20.18.3", "linux", "x64")).to.match(/Node 20\.19 .* 20\.18\.3/);
    expect(machine("18.20.0", "linux", "x64")).to.match(/Node 20\.19/);
    expect(machine("22.1.0", "linux", "arm")).to.match(/linux-arm, only for linux-x64/);
    expect(machine("20.19.0", "linux", "arm64")).to.equal(undefined);
    expect(machine("24.0.0", "darwin", "arm64")).to.equal(undefined);
  });

  it("accepts node_modules that match the lock file, without other platforms' binaries", () => {
    const a = { version: "1.0.0" };
    writeLocks({ "node_modules/a": a, "node_modules/b": { ...a, optional: true } }, { "node_modules/a": a });
    expect(packagesMissing(root)).to.equal(undefined);
  });

  it("sees a missing, another or an old package", () => {
    write("package-lock.json", "{}");
    expect(packagesMissing(root)).to.equal("node_modules is missing");
    writeLocks({ "node_modules/a": { version: "1.0.0" } }, {});
    expect(packagesMissing(root)).to.match(/node_modules\/a is not the 1\.0\.0/);
    writeLocks({ "node_modules/a": { version: "1.0.1" } }, { "node_modules/a": { version: "1.0.0" } });
    expect(packagesMissing(root)).to.match(/node_modules\/a is not the 1\.0\.1/);
  });

  it("finds compiled files whose source is gone", () => {
    write("src/a.ts", "");
    for (const file of ["a.js", "a.js.map", "a.d.ts", "gone.js", "gone.js.map", "gone.d.ts"])
      write(`dist/src/${file}`, "");
    write("dist/test/gone.test.js", "");
    const gone = ["src/gone.d.ts", "src/gone.js", "src/gone.js.map", "test/gone.test.js"];
    expect(staleOutputs(root).sort()).to.deep.equal(gone.map((file) => join(root, "dist", file)));
  });

  it("asks for a build where there is none", () => {
    expect(isBuilt(root)).to.equal(false);
  });
});
