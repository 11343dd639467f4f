import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Lints the given files (path → text) under our biome.json; returns the paths with an error of `rule`. */
function lint(files: Record<string, string>, rule: string): string[] {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "masa-imports-")));
  try {
    for (const name of ["biome.json", ".gitignore", "package.json"]) copyFileSync(join(root, name), join(folder, name));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const biome = join(root, "node_modules/@biomejs/biome/bin/biome");
    const args = [biome, "lint", "--reporter=github", "--max-diagnostics=none", "."];
    const { stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
    const flagged = [...stdout.matchAll(/::error title=([\w/]+),file=([^,]+)/g)].filter(([, title]) => title === rule);
    return [...new Set(flagged.map(([, , file]) => relative(folder, resolve(folder, file ?? ""))))].sort();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// [floor, what it imports]
const ALLOWED = [
  ["gpu", "./errors.js"],
  ["gpu", "../errors.js"],
  ["graph/ops", "../../errors.js"],
  ["kernels", "../gpu/device.js"],
  ["kernels", "./kernel.js"],
  ["kernels", "./shared/planes.js"],
  ["kernels/convolution", "../shared/nc4hw4.js"],
  ["kernels/shared", "../kernel.js"],
  ["graph/trace", "../ops/pointwise.js"],
  ["graph/plan", "../../kernels/kernel.js"],
  ["graph/ops", "../trace/tensor.js"],
  ["graph/ops", "../../kernels/conv2d.js"],
  ["graph/ops", "./pointwise.js"],
  ["nn", "../graph/ops/conv2d.js"],
  ["masa", "../nn/layers.js"],
  ["masa", "../image/image.js"],
  ["onnx", "../graph/trace/tensor.js"],
  ["onnx", "../formats/protobuf.js"],
  ["models", "../masa/masa.js"],
  ["models", "../files/read.js"],
  ["data", "../image/pairs.js"],
  ["data", "node:worker_threads"],
  ["upscale", "../models/load.js"],
  ["upscale/batch", "../../data/csv.js"],
  ["evaluate", "../data/cases.js"],
  ["evaluate", "../upscale/network.js"],
  ["browser", "../engine.js"],
  ["browser", "../formats/png.js"],
  ["files", "node:fs"],
  ["files", "sharp"],
  ["files", "../formats/tensor.js"],
  ["formats", "../image/errors.js"],
  ["formats", "fflate"],
  ["platform", "webgpu"],
  ["platform", "../gpu/device.js"],
  ["platform", "../files/atomic.js"],
  ["train", "../evaluate/evaluate.js"],
  ["train", "../files/images.js"],
  ["train", "../onnx/export.js"],
  ["train/log", "../config.js"],
  ["distributed", "../train/trainer.js"],
  ["distributed", "../nn/accumulation.js"],
  ["conformance", "../reference/conv2d.js"],
  ["reproduce", "../evaluate/evaluate.js"],
  ["reproduce", "@observablehq/plot"],
  ["cli", "../train/trainer.js"],
  ["cli", "commander"],
] as const;
const FORBIDDEN = [
  ["gpu", "../kernels/conv2d.js"],
  ["gpu", "node:fs"],
  ["gpu", "webgpu"],
  ["image", "../gpu/device.js"],
  ["image", "pngjs"],
  ["reference", "../kernels/conv2d.js"],
  ["kernels", "../graph/trace/tensor.js"],
  ["kernels", "./conv2d.js"],
  ["kernels", "node:path"],
  ["kernels/convolution", "../conv2d.js"],
  ["kernels/shared", "../convolution/choose.js"],
  ["graph/trace", "../../masa/masa.js"],
  ["graph/plan", "../../platform/node.js"],
  ["graph/ops", "../plan/plan.js"],
  ["graph/ops", "./conv2d.js"],
  ["graph/ops", "../../masa/masa.js"],
  ["graph/ops", "node:fs"],
  ["nn", "../masa/masa.js"],
  ["masa", "../train/trainer.js"],
  ["masa", "../models/load.js"],
  ["masa", "../files/images.js"],
  ["masa", "fflate"],
  ["onnx", "../masa/masa.js"],
  ["onnx", "../files/atomic.js"],
  ["models", "../train/trainer.js"],
  ["models", "../upscale/run.js"],
  ["data", "../train/config.js"],
  ["data", "../masa/masa.js"],
  ["upscale", "../train/trainer.js"],
  ["evaluate", "../train/config.js"],
  ["browser", "../files/images.js"],
  ["browser", "../platform/node.js"],
  ["browser", "node:fs"],
  ["files", "../gpu/device.js"],
  ["formats", "node:fs"],
  ["formats", "../files/atomic.js"],
  ["formats", "../gpu/device.js"],
  ["platform", "../graph/trace/tensor.js"],
  ["train", "../cli/main.js"],
  ["train", "../reference/conv2d.js"],
  ["train", "../conformance/compare.js"],
  ["train", "../distributed/ranks.js"],
  ["evaluate", "../distributed/queue.js"],
  ["distributed", "koffi"],
  ["distributed", "../evaluate/evaluate.js"],
  ["reproduce", "../conformance/compare.js"],
  ["reproduce", "../reference/conv2d.js"],
  ["cli", "webgpu"],
  ["cli", "../reference/conv2d.js"],
  ["cli", "../../bench/harness.js"],
] as const;
const imports = [
  (specifier: string) => `import "${specifier}";\n`,
  (specifier: string) => `export type { A } from "${specifier}";\n`,
  (specifier: string) => `export const a = import("${specifier}");\n`,
];
const floorRule = "lint/style/noRestrictedImports";

describe("import rules", () => {
  it("refuse every import against the direction, and only those", () => {
    const files: Record<string, string> = {};
    const expected: string[] = [];
    for (const cases of [ALLOWED, FORBIDDEN]) {
      cases.forEach(([floor, specifier], index) => {
        imports.forEach((statement, kind) => {
          const path = `src/${floor}/${cases === ALLOWED ? "allowed" : "forbidden"}${index}_${kind}.ts`;
          files[path] = statement(specifier);
          if (cases === FORBIDDEN) expected.push(path);
        });
      });
    }
    expect(lint(files, floorRule)).to.deep.equal(expected.sort());
  });

  it("let an index import its operations, which import no index", () => {
    const files = {
      "src/graph/ops/index.ts": 'export * from "./conv2d.js";\n',
      "src/graph/ops/conv2d.ts": 'export { a } from "./index.js";\n',
    };
    expect(lint(files, floorRule)).to.deep.equal(["src/graph/ops/conv2d.ts"]);
  });

  it("let the page import what the package's users import", () => {
    const files = {
      "web/a.ts": 'import "../src/browser/index.js";\nimport "./b.js";\nimport "comlink";\n',
      "web/b.ts": 'import "../src/masa/masa.js";\n',
      "web/c.ts": 'import "node:fs";\n',
      "src/engine.ts": 'export * from "./files/images.js";\n',
    };
    expect(lint(files, floorRule)).to.deep.equal(["src/engine.ts", "web/b.ts", "web/c.ts"]);
  });

  it("leave the webgpu package to src/platform", () => {
    const statement = 'import "webgpu";\n';
    const files = {
      "src/index.ts": statement,
      "test/a.ts": statement,
      "bench/a.ts": statement,
      "scripts/a.mjs": statement,
    };
    expect(lint(files, floorRule)).to.deep.equal(["bench/a.ts", "src/index.ts", "test/a.ts"]);
  });

  it("refuse circular imports", () => {
    const files = {
      "src/masa/a.ts": 'import { b } from "./b.js";\nexport const a = () => b;\n',
      "src/masa/b.ts": 'import { a } from "./a.js";\nexport const b = () => a;\n',
      "src/masa/c.ts": 'import { a } from "./a.js";\nexport const c = a;\n',
    };
    expect(lint(files, "lint/suspicious/noImportCycles")).to.deep.equal(["src/masa/a.ts", "src/masa/b.ts"]);
  });

  it("know every folder of src", () => {
    const rules = readFileSync(join(root, "biome.json"), "utf8");
    const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const unknown = folders
      .map(({ name }) => name)
      .filter((name) => !new RegExp(`"src/${name}/(\\*\\*|.*/\\*\\*)"`).test(rules));
    expect(unknown).to.deep.equal([]);
  });
});
