/** Experiments that measure pictures: protocols against the official code's figures, trainings of a few steps. */
import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { GoldenSet } from "../../src/conformance/manifest.js";
import { fillParameters } from "../../src/conformance/parameters.js";
import { DataError } from "../../src/data/errors.js";
import { findTestData } from "../../src/data/layouts.js";
import { type CaseResults, evaluate, prepareCases } from "../../src/evaluate/evaluate.js";
import { scoreRow } from "../../src/evaluate/scores.js";
import { Masa } from "../../src/masa/masa.js";
import { readCheckpoint } from "../../src/models/checkpoint.js";
import { loadMasa, untrainedMasa } from "../../src/models/load.js";
import { saveParameters } from "../../src/models/save.js";
import { ablations, type Training, testCases } from "../../src/reproduce/ablations.js";
import { fig5 } from "../../src/reproduce/fig5.js";
import { fig6, withLuminance } from "../../src/reproduce/fig6.js";
import { levels } from "../../src/reproduce/levels.js";
import { findTestSets, table1 } from "../../src/reproduce/table1.js";
import { put } from "../data/files.js";
import { testDevice } from "../device.js";
import { failure, goldenPath, inFolder } from "../files/golden.js";
import { NETWORK, pattern, putLayout } from "../train/test_sets.js";

const never = new AbortController().signal;
const EXAMPLES = new URL("../../../examples/data/cufed5", import.meta.url);

describe("table 1", () => {
  const evaluated = { weights: "w", signal: never, onStatus: () => {} };

  it("gives PSNR and SSIM of the official code for the same network and images", function () {
    this.timeout(600_000);
    return inFolder(async (folder) => {
      // Of these sides no protocol pads anything; Sun80's takes the one reference as it is.
      const matches = join(folder, "Sun_Hays_SR_scenematches", "a.png");
      mkdirSync(matches, { recursive: true });
      mkdirSync(join(folder, "Sun_Hays_SR_groundtruth"));
      cpSync(goldenPath("img/single_0_hr.png"), join(folder, "Sun_Hays_SR_groundtruth", "a.png"));
      cpSync(goldenPath("img/single_0_ref.png"), join(matches, "0.png"));
      const set = GoldenSet.open(goldenPath(""));
      const { entry } = set.cases.find(({ part, name }) => part === "net" && name === "single")!;
      const masa = new Masa();
      const device = await testDevice();
      await fillParameters(device, masa.parameters, set.parameters(entry.entry("params")));
      const sets = await findTestSets(folder, undefined, never);
      const { data } = await table1(device, masa, { ...evaluated, sets });
      masa.parameters.dispose();
      const [single] = data as { protocol: string; evaluation: CaseResults }[];
      expect(single?.protocol).to.equal("Sun80");
      const scalar = (name: string) => entry.entry("scalars").entry(name);
      const { psnr, ssim } = single!.evaluation.mean;
      expect(psnr).to.be.closeTo(scalar("psnr_y").numbers("value")[0]!, scalar("psnr_y").number("tol_abs"));
      expect(ssim).to.be.closeTo(scalar("ssim_y").numbers("value")[0]!, scalar("ssim_y").number("tol_abs"));
    });
  });

  it("finds each test set where it may be, and prints it beside the paper's figures", () =>
    inFolder(async (folder) => {
      for (const layout of ["CUFED5", "Sun80", "Urban100"] as const) await putLayout(layout, join(folder, layout));
      const device = await testDevice();
      const masa = await untrainedMasa(device, NETWORK, 1);
      const sets = await findTestSets(folder, 1, never);
      expect(sets.map(({ name }) => name)).to.deep.equal(["CUFED5", "Sun80", "Urban100"]);
      const { tables, text, figures } = await table1(device, masa, { ...evaluated, sets, limit: 1 });
      masa.parameters.dispose();
      expect(tables[0]?.rows.map(([name, images, rec]) => [name, images, rec])).to.deep.equal([
        ["CUFED5, all references", "1", "27.54 / 0.814"],
        ["CUFED5, most similar reference", "1", ""],
        ["Sun80", "1", "30.15 / 0.815"],
        ["Urban100", "1", "26.09 / 0.786"],
      ]);
      expect(text.join()).to.include("first 1 images");
      expect(figures[0]?.name).to.equal("table1");
      for (const layout of ["CUFED5", "Sun80", "Urban100"] as const)
        expect((await findTestSets(join(folder, layout), undefined, never)).map(({ name }) => name)).to.deep.equal([
          layout,
        ]);
      await put(pattern(1, 40, 40), folder, "none", "train", "input", "a.png");
      await failure(
        () => findTestSets(join(folder, "none"), undefined, never),
        DataError,
        /none of the paper's test sets/,
      );
    }));
});

describe("figure 5", () => {
  it("measures PSNR where every setting can cut the images", () =>
    inFolder(async (folder) => {
      await put(pattern(1, 256, 256), folder, "000_0.png");
      await put(pattern(2, 256, 256), folder, "000_1.png");
      // 96 pixels are 24 in LR: no block of 64.
      await put(pattern(3, 96, 96), folder, "001_0.png");
      await put(pattern(4, 96, 96), folder, "001_1.png");
      const device = await testDevice();
      const masa = await untrainedMasa(device, { ...NETWORK, channels: 4 }, 1);
      const weights = join(folder, "w.safetensors");
      await saveParameters(masa.parameters, weights);
      masa.parameters.dispose();
      const data = await findTestSets(folder, undefined, never);
      const cases = await prepareCases(data[0]!.data);
      const quality = { cases, weights, name: "w", signal: never, onStatus: () => {} };
      const { tables, text, figures } = await fig5(device, quality);
      expect(text.join()).to.include("over 1 images: those of 2");
      for (const { columns, rows } of tables) {
        expect(columns.at(-1)).to.equal("PSNR (dB)");
        for (const row of rows) expect(Number(row.at(-1)), row[0]).to.be.within(5, 60);
      }
      // One official network, whichever sweep it stands in.
      const official = tables.map(({ rows }) => rows.find(([name]) => name?.includes("official"))?.at(-1));
      expect(new Set(official).size).to.equal(1);
      expect(figures.map(({ name }) => name)).to.include("fig5_blockSize_psnr");
      await failure(() => fig5(device, { ...quality, cases: cases.slice(1) }), DataError, /multiples of 256/);
    }));
});

describe("levels of similarity", () => {
  it("measures each level, and a network without a reference once", () =>
    inFolder(async (folder) => {
      for (const [image, seed] of Object.entries({ "000_0": 1, "000_1": 2, "000_2": 3, "000_3": 4 }))
        await put(pattern(seed, 64, 64), folder, `${image}.png`);
      const device = await testDevice();
      const save = async (name: string, changes: { useReference?: boolean }) => {
        const masa = await untrainedMasa(device, { ...NETWORK, channels: 4, ...changes }, 1);
        await saveParameters(masa.parameters, join(folder, name));
        masa.parameters.dispose();
        return join(folder, name);
      };
      const weights = { path: await save("with.safetensors", {}), name: "w" };
      const without = await save("without.safetensors", { useReference: false });
      const data = await findTestData(folder);
      const options = { data, weights, signal: never, onStatus: () => {} };
      const { tables, figures } = await levels(device, { ...options, without });
      const [rows] = tables.map((table) => table.rows);
      expect(rows?.map(([name]) => name)).to.deep.equal([
        ...["level 1", "level 2", "level 3"],
        ...["trained without a reference", "bicubic"],
      ]);
      const masa = await loadMasa(device, weights.path);
      for (const level of [1, 2, 3]) {
        const { mean } = await evaluate(device, masa, data, { level });
        expect(rows?.[level - 1]?.slice(1, -2)).to.deep.equal(scoreRow(mean));
        expect(rows?.[level - 1]?.at(-2)).to.equal((mean.psnr - mean.bicubicPsnr).toFixed(2));
        expect(rows?.[level - 1]?.at(-1)).to.equal(mean.similarity.toFixed(3));
      }
      masa.parameters.dispose();
      expect(new Set(rows?.slice(0, 3).map((row) => row.at(-1))).size).to.be.above(1);
      expect(figures.map(({ name }) => name)).to.deep.equal(["levels"]);
      const one = { ...data, cases: data.cases.map((test) => ({ ...test, refs: test.refs.slice(0, 1) })) };
      await failure(() => levels(device, { ...options, data: one }), DataError, /one reference an image/);
    }));
});

describe("tables 3 and 4", function () {
  this.timeout(600_000);

  it("give the paper's parameters without any data", async () => {
    const device = await testDevice();
    for (const table of ["table3", "table4"] as const) {
      const { tables } = await ablations(device, table);
      expect(tables).to.have.length(1);
      for (const [name, paper, ours] of tables[0]!.rows)
        expect(Number.parseFloat(ours!).toFixed(2), name).to.equal(Number.parseFloat(paper!).toFixed(2));
    }
  });

  it("train every network alike, go on with what is there, and feed figure 6", () =>
    inFolder(async (folder) => {
      const device = await testDevice();
      const seen: string[] = [];
      const training: Training = {
        ...{ folder: join(folder, "networks"), data: EXAMPLES.pathname, preset: "tiny", steps: 1, seeds: [0] },
        ...{ signal: never, onStatus: (status) => seen.push(status) },
      };
      const first = await ablations(device, "table3", training);
      expect(readdirSync(training.folder).sort()).to.deep.equal(["adain-0", "masa-0", "none-0", "spade-0"]);
      const [, reached] = first.tables;
      expect(reached?.rows.map(([name]) => name)).to.deep.equal(["no adaptation", "AdaIN", "SPADE", "SAM", "bicubic"]);
      for (const [name, psnr] of reached!.rows) expect(Number(psnr), name).to.be.within(10, 60);
      expect(seen).to.include("SAM: step 1/1");
      seen.length = 0;
      // A second seed is trained besides the first, which is not trained again; the mean of both stands before them.
      const [, both] = (await ablations(device, "table3", { ...training, seeds: [0, 1] })).tables;
      expect(both?.columns).to.deep.equal(["", "PSNR", "seed 0", "seed 1", "SSIM"]);
      expect(both?.rows.map((row) => row[2])).to.deep.equal(reached?.rows.map((row) => row[1]));
      for (const [name, mean, ...each] of both!.rows)
        expect(Number(mean), name).to.be.closeTo((Number(each[0]) + Number(each[1])) / 2, 0.0011);
      // After one step the scores agree to three digits; the weights must not.
      const weights = async (seed: number) => {
        const file = join(training.folder, `none-${seed}`, "checkpoints/step-00000001.safetensors");
        const { tensors } = await readCheckpoint(file);
        return tensors.get("generator/enc.conv_L1.weight")?.toFloat32();
      };
      expect(await weights(1)).to.have.length.above(0);
      expect(await weights(1)).not.to.deep.equal(await weights(0));
      expect(seen.filter((status) => status.includes("seed 0: step"))).to.deep.equal([]);
      expect(seen).to.include("SAM, seed 1: step 1/1");
      seen.length = 0;

      const { tables, data } = await fig6(device, training);
      expect(seen.filter((status) => status.includes("step"))).to.deep.equal([]);
      const { factors, measured } = data as { factors: number[]; measured: { psnr: number[]; loss: number[] }[] };
      const own = factors.indexOf(1);
      // The reference as it is gives what table 3 has found.
      const psnr = (title: string) => Number(reached!.rows.find(([name]) => name === title)![1]);
      expect(measured.map((one) => Number(one.psnr[own]!.toFixed(3)))).to.deep.equal([
        psnr("no adaptation"),
        psnr("SAM"),
      ]);
      for (const { loss } of measured) expect(loss[own]).to.equal(0);
      expect(tables[0]?.rows).to.have.length(factors.length);
    }));

  it("change the reference's luminance, and nothing else", () =>
    inFolder(async (folder) => {
      const training = {
        folder,
        data: EXAMPLES.pathname,
        preset: "tiny",
        seeds: [0],
        signal: never,
        onStatus: () => {},
      };
      const [test] = await testCases(training);
      expect(withLuminance(test!, 1)).to.deep.equal(test);
      const { ref, refDown, ...rest } = withLuminance(test!, 1.5);
      const { ref: oldRef, refDown: oldDown, ...oldRest } = test!;
      expect(rest).to.deep.equal(oldRest);
      expect([...ref.data.slice(0, 99)]).to.deep.equal(
        [...oldRef.data.slice(0, 99)].map((value) => Math.min(255, Math.round(1.5 * value))),
      );
      expect(refDown.data).not.to.deep.equal(oldDown.data);
    }));
});
