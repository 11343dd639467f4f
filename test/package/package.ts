/**
 * The package as its users get it: packed, installed into an empty project by npm, and used there in every way that is
 * promised. Not part of `npm test`, because npm asks its registry: `npm run test:package`.
 */
import { execFile } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { readImage } from "../../src/files/images.js";
import { loadMasa } from "../../src/models/load.js";
import { upscale } from "../../src/upscale/run.js";
import { type Ended, node } from "../cli/masa.js";
import { testDevice } from "../device.js";
import { goldenPath } from "../files/golden.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
};

/** npm, found as npm itself tells its scripts. */
function npm(args: readonly string[], cwd: string): Promise<Ended> {
  const cli = process.env.npm_execpath;
  if (cli) return node([cli, ...args], {}, undefined, cwd);
  return new Promise((resolve) =>
    execFile("npm", args, { cwd }, (error, stdout, stderr) => resolve({ code: error ? 1 : 0, stdout, stderr })),
  );
}

/** A project's script that writes `out`; `load` makes the package's exports known. */
const script = (load: string, out: string) => `${load}
async function main() {
  const device = await openDevice();
  const masa = await loadMasa(device);
  const { image } = await upscale(device, masa, { lr: await readImage("lr.png"), refs: [await readImage("ref.png")] });
  await writeImage("${out}", image);
  device.dispose();
}
main();
`;
const NAMES = "{ loadMasa, openDevice, readImage, upscale, writeImage }";

describe("the package in an empty project", () => {
  let project: string;
  let tarball: string;
  let pixels: ArrayLike<number>;
  const at = (...names: string[]) => join(project, ...names);
  const run = (...args: string[]) => node(args, {}, undefined, project);

  before(async () => {
    const folder = mkdtempSync(join(tmpdir(), "masa-package-"));
    project = join(folder, "project");
    mkdirSync(join(project, "src"), { recursive: true });
    const packed = await npm(["pack", "--ignore-scripts", "--pack-destination", folder], ROOT);
    expect(packed.code, packed.stderr).to.equal(0);
    tarball = join(folder, `masa-webgpu-${manifest.version}.tgz`);
    writeFileSync(at("package.json"), '{ "private": true, "type": "module" }');
    const options = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"];
    const installed = await npm(["install", ...options, tarball], project);
    expect(installed.code, installed.stderr).to.equal(0);
    for (const name of ["lr", "ref"]) copyFileSync(goldenPath(`img/wrap_0_${name}.png`), at(`${name}.png`));
    const device = await testDevice();
    const pair = { lr: await readImage(at("lr.png")), refs: [await readImage(at("ref.png"))] };
    const masa = await loadMasa(device);
    pixels = (await upscale(device, masa, pair)).image.data;
    masa.parameters.dispose();
  });
  after(() => rmSync(join(project, ".."), { recursive: true }));

  /** The image has what this checkout computes. */
  const expectImage = async (name: string) => expect((await readImage(at(name))).data).to.deep.equal(pixels);

  it("brings what it depends on, and nothing that only its development needs", () => {
    const installed = readdirSync(at("node_modules"));
    expect(installed).to.include.members(["masa-webgpu", "webgpu", "sharp"]);
    const ofTools = Object.keys(manifest.devDependencies).filter((name) => !name.startsWith("@"));
    expect(ofTools).to.include("mocha");
    expect(installed.filter((name) => ofTools.includes(name))).to.deep.equal([]);
  });

  it("upscales where it is imported", async () => {
    writeFileSync(at("esm.js"), script(`import ${NAMES} from "masa-webgpu";`, "esm.png"));
    const { code, stderr } = await run("esm.js");
    expect(code, stderr).to.equal(0);
    await expectImage("esm.png");
  });

  it("upscales where it is required", async () => {
    writeFileSync(at("cjs.cjs"), script(`const ${NAMES} = require("masa-webgpu");`, "cjs.png"));
    const { code, stderr } = await run("cjs.cjs");
    expect(code, stderr).to.equal(0);
    await expectImage("cjs.png");
  });

  it("has the command", async () => {
    const version = await npm(["exec", "masa", "--", "--version"], project);
    expect(version).to.include({ code: 0, stdout: `${manifest.version}\n` });
    const upscaled = await npm(
      ["exec", "masa", "--", "upscale", "--lr", "lr.png", "--ref", "ref.png", "--out", "cli.png"],
      project,
    );
    expect(upscaled.code, upscaled.stderr).to.equal(0);
    await expectImage("cli.png");
  });

  it("has the demo's photographs, and the examples", async () => {
    const demo = await npm(["exec", "masa", "--", "demo", "--out", "shown"], project);
    expect(demo.code, demo.stderr).to.equal(0);
    expect((await readImage(at("shown/aloe.png"))).width).to.equal(320);
    expect(readdirSync(at("node_modules/masa-webgpu/examples"))).to.include.members(["upscale.ts", "browser", "data"]);
  });

  it("is bundled for a browser by Vite, shaders and weights included", async () => {
    cpSync(join(ROOT, "examples/browser"), at("page"), { recursive: true });
    const built = await run(join(ROOT, "node_modules/vite/bin/vite.js"), "build", "page", "--logLevel", "warn");
    expect(built.code, built.stdout + built.stderr).to.equal(0);
    const assets = readdirSync(at("page/dist/assets")).map((name) => at("page/dist/assets", name));
    const script = assets.find((name) => name.endsWith(".js")) ?? "";
    // What is a template literal there has its backticks escaped.
    const text = readFileSync(script, "utf8").replaceAll("\\`", "`");
    const shaders = readdirSync(join(ROOT, "shaders")).map((name) => readFileSync(join(ROOT, "shaders", name), "utf8"));
    expect(shaders.flatMap((shader) => shader.split("\n").filter((line) => !text.includes(line)))).to.deep.equal([]);
    const weights = assets.find((name) => name.endsWith(".safetensors")) ?? "";
    expect(readFileSync(weights)).to.deep.equal(readFileSync(join(ROOT, "weights/small.safetensors")));
  });

  describe("has types", () => {
    const tsc = (...args: string[]) =>
      run(
        join(ROOT, "node_modules/typescript/bin/tsc"),
        ...["--noEmit", "--strict", "--target", "es2023", "--types", "node"],
        ...["--typeRoots", join(ROOT, "node_modules/@types"), ...args],
      );
    const examples = readdirSync(join(ROOT, "examples")).filter((name) => name.endsWith(".ts"));

    before(() => {
      cpSync(join(ROOT, "examples/browser"), at("browser"), { recursive: true });
      for (const name of examples) copyFileSync(join(ROOT, "examples", name), at("src", name));
      writeFileSync(
        at("src/required.cts"),
        'import masa = require("masa-webgpu");\nexport const open: () => Promise<masa.Device> = masa.openDevice;\n',
      );
      writeFileSync(
        at("src/wrong.ts"),
        'import { openDevice } from "masa-webgpu";\nexport const width: number = openDevice();\n',
      );
    });

    for (const [module, resolution, more] of [
      ["nodenext", "nodenext", ["src/required.cts"]],
      ["esnext", "bundler", ["browser/main.ts"]],
    ] as const)
      it(`for ${resolution}, with its libraries checked`, async () => {
        const options = ["--module", module, "--moduleResolution", resolution];
        const sources = examples.map((name) => `src/${name}`);
        expect(await tsc(...options, ...sources, ...more)).to.deep.equal({ code: 0, stdout: "", stderr: "" });
        const { code, stdout } = await tsc(...options, "src/wrong.ts");
        expect(code).not.to.equal(0);
        expect(stdout).to.match(/^src\/wrong\.ts.*'Promise<Device>' is not assignable to type 'number'/m);
      });

    it("for a browser project with target ES2022 and no types, with its libraries checked", async () => {
      const options = { noEmit: true, strict: true, target: "ES2022", lib: ["ES2022", "DOM"], types: [] };
      const modules = { module: "esnext", moduleResolution: "bundler", skipLibCheck: false };
      const config = { compilerOptions: { ...options, ...modules }, files: ["browser/main.ts"] };
      writeFileSync(at("tsconfig.es2022.json"), JSON.stringify(config));
      const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
      expect(await run(compiler, "-p", "tsconfig.es2022.json")).to.deep.equal({ code: 0, stdout: "", stderr: "" });
    });

    it("that no way of importing misses, by arethetypeswrong", async () => {
      const attw = join(ROOT, "test/package/tools/node_modules/@arethetypeswrong/cli/dist/index.js");
      // The weights are a file to be fetched, which has no types.
      const files = ["--exclude-entrypoints", "./weights/small.safetensors"];
      const { code, stdout, stderr } = await run(attw, tarball, "--profile", "esm-only", "--no-emoji", ...files);
      expect(code, stdout + stderr).to.equal(0);
      expect(stdout).to.include("node16 (from ESM)");
    });
  });
});
