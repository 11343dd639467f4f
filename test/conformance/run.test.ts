/** The runner on small sets made here: it must pass what is right and fail whatever is planted. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { fill } from "../../src/conformance/formula.js";
import { GoldenSet } from "../../src/conformance/manifest.js";
import { caseLine, resultsJson, totalLine } from "../../src/conformance/report.js";
import { type CaseResult, runCase, runCases } from "../../src/conformance/run.js";
import { writeSafetensors } from "../../src/files/safetensors.js";
import { FileTensor } from "../../src/formats/tensor.js";
import { nodePlatform, openDevice } from "../../src/platform/node.js";
import { testDevice } from "../device.js";

const open = () => openDevice({}, { ...nodePlatform, warn: () => {} });

type Json = Record<string, unknown>;

const TESTS = [{ seed: 0, i: 1, hash: 301794027, uniform: -0.8594663143157959 }];
const COUNT = 30;
const X = fill({ seed: 5 }, COUNT);
const Y = Float32Array.from(X, (value) => Math.max(value, 0));

/** relu of a formula tensor; `y` in the file is what `golden` says. */
const RELU = {
  part: "ops",
  name: "relu",
  op: "relu",
  file: "set.safetensors",
  hyper: {},
  inputs: { x: { shape: [5, 6], formula: { seed: 5, scale: 1 } } },
  outputs: { y: { key: "y", shape: [5, 6], dtype: "F32", tol_abs: 1e-6, tol_rel_l2: 1e-6 } },
};

describe("conformance runner", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "golden-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function writeSet(cases: unknown, tensors: Record<string, Float32Array> = { y: Y }): Promise<void> {
    await writeFile(join(folder, "manifest.json"), JSON.stringify({ formula_tests: TESTS, cases }));
    const entries = Object.entries(tensors).map(
      ([name, data]) => [name, FileTensor.of("F32", [data.length], data)] as const,
    );
    await writeSafetensors(join(folder, "set.safetensors"), new Map(entries));
  }

  async function run(cases: readonly Json[], tensors?: Record<string, Float32Array>): Promise<CaseResult[]> {
    await writeSet(cases, tensors);
    const set = GoldenSet.open(folder);
    return runCases(set, set.cases, { open });
  }

  async function runOne(change: Json, tensors?: Record<string, Float32Array>): Promise<CaseResult> {
    await writeSet([{ ...RELU, ...change }], tensors);
    const set = GoldenSet.open(folder);
    const { result } = await runCase(set, set.cases[0]!, await testDevice());
    return result;
  }

  it("passes a right result", async () => {
    const result = await runOne({});
    expect(result).to.include({ passed: true, problem: undefined });
    expect(result.checks).to.have.length(2);
  });

  it("fails for a planted error, a NaN and a tensor that is missing", async () => {
    const planted = (value: number) => ({ y: Y.with(7, value) });
    expect((await runOne({}, planted(Y[7]! + 2e-6))).worst).to.include({ tensor: "y" });
    for (const value of [Y[7]! + 2e-6, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect((await runOne({}, planted(value))).passed, String(value)).to.equal(false);
    }
    const missing = await runOne({}, { z: Y });
    expect(missing.passed).to.equal(false);
    expect(missing.problem).to.match(/set\.safetensors has no tensor y/);
  });

  it("fails for what nobody can compute or compare, and says why", async () => {
    const outputs = { ...RELU.outputs, extra: { ...RELU.outputs.y } };
    expect((await runOne({ outputs })).worst?.problem).to.equal("was not computed");
    const unseen = await runOne({ new_field: { deep: [{ key: "y2" }] } });
    expect(unseen.worst).to.include({ tensor: "y2" });
    expect(unseen.passed).to.equal(false);
    expect((await runOne({ outputs: {} })).worst?.problem).to.equal("has nothing to compare");
    expect((await runOne({ op: "warp" })).problem).to.match(/op warp is unknown/);
    expect((await runOne({ part: "sound" })).problem).to.match(/part sound is unknown/);
    expect((await runOne({ op: "conv2d", hyper: { groups: 2 } })).problem).to.match(/groups 2 cannot run/);
  });

  it("goes on after a case that fails", async () => {
    const broken = { ...RELU, name: "broken", inputs: { x: { shape: [5, -6], formula: { seed: 5 } } } };
    const results = await run([broken, { ...RELU, op: "warp", name: "warp" }, RELU]);
    expect(results.map(({ name, passed }) => [name, passed])).to.deep.equal([
      ["broken", false],
      ["warp", false],
      ["relu", true],
    ]);
    expect(results[0]?.problem).to.match(/case broken\.inputs\.x\.shape is \[5,-6\]; a shape is wanted/);
    expect(totalLine(results)).to.equal("1 passed, 2 failed");
  });

  it("prints one line a case", async () => {
    const [good, bad] = await run(
      [RELU, { ...RELU, name: "planted", outputs: { y: { ...RELU.outputs.y, key: "z" } } }],
      {
        y: Y,
        z: Y.with(0, Y[0]! + 0.5),
      },
    );
    expect(caseLine(good!, 8)).to.match(/^relu {6}y 0 \/ 1\.0e-6 +pass +\d+ ms$/);
    expect(caseLine(bad!, 8)).to.match(/^planted {3}y 5\.0e-1 \/ 1\.0e-6 and 1 more +FAIL +\d+ ms$/);
    const report = JSON.parse(resultsJson(folder, "a GPU", [good!, bad!]));
    expect(report).to.deep.include({ adapter: "a GPU", passed: 1, failed: 1 });
    expect(report.cases[1].worst.tolerance).to.equal(1e-6);
  });

  it("opens another device after the first is lost", async () => {
    await writeSet([RELU, { ...RELU, name: "again" }]);
    const set = GoldenSet.open(folder);
    let opened = 0;
    const results = await runCases(set, set.cases, {
      open: async () => {
        const device = await open();
        if (opened++ === 0) device.gpu.destroy();
        return device;
      },
    });
    expect(results.map(({ passed }) => passed)).to.deep.equal([false, true]);
    expect(opened).to.equal(2);
  });

  it("gives one clear error for a broken manifest or a missing file", async () => {
    const failing = async (text: string) => {
      await writeFile(join(folder, "manifest.json"), text);
      return problemOf(folder);
    };
    const manifest = (cases: unknown, tests: unknown = TESTS) => JSON.stringify({ formula_tests: tests, cases });
    expect(await failing(manifest([RELU]))).to.equal("no error");
    expect(await failing("{ oops")).to.match(/^ManifestError: .*manifest\.json is no JSON/);
    expect(await failing("[]")).to.match(/^ManifestError: manifest is \[\]; an object is wanted/);
    expect(await failing(manifest(undefined))).to.match(/manifest\.cases is missing; a list is wanted/);
    expect(await failing(manifest([{ ...RELU, op: 3 }]))).to.match(/manifest\.cases\[0\]\.op is 3; a text is wanted/);
    expect(await failing(manifest([RELU, RELU]))).to.match(/two cases relu/);
    expect(await failing(manifest([RELU], [{ ...TESTS[0], hash: 1 }]))).to.match(/the hash of seed 0/);
    await rm(join(folder, "manifest.json"));
    expect(problemOf(folder)).to.match(/manifest\.json cannot be read/);

    await writeSet([RELU, { ...RELU, name: "b", images: [{ lr: "img/a.png" }], expected: "b.json" }]);
    const set = GoldenSet.open(folder);
    expect(() => set.checkFiles(set.cases.slice(0, 1))).not.to.throw();
    expect(() => set.checkFiles(set.cases)).to.throw(/img\/a\.png, which case b needs, and 1 more files are missing/);
  });
});

function problemOf(folder: string): string {
  try {
    GoldenSet.open(folder);
    return "no error";
  } catch (error) {
    return String(error);
  }
}
