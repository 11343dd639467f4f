/** References of all kinds, with a network that was not trained. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { DataError } from "../../src/data/errors.js";
import { findTestData } from "../../src/data/layouts.js";
import { evaluatePrepared, type PreparedCase, prepareCases } from "../../src/evaluate/evaluate.js";
import { scoreRow } from "../../src/evaluate/scores.js";
import { downscale } from "../../src/image/pairs.js";
import { resizeBicubic } from "../../src/image/resize.js";
import { Masa } from "../../src/masa/masa.js";
import { loadParameters, untrainedMasa } from "../../src/models/load.js";
import { saveParameters } from "../../src/models/save.js";
import { type Measured, type PeerScores, readPeers, targets, withReference } from "../../src/reproduce/targets.js";
import { put } from "../data/files.js";
import { testDevice } from "../device.js";
import { failure, inFolder } from "../files/golden.js";
import { NETWORK, pattern } from "../train/test_sets.js";

const options = { weights: "w", signal: new AbortController().signal, onStatus: () => {} };

/** Two images with three references each. */
async function putSet(folder: string): Promise<void> {
  for (const [i, name] of ["000", "001"].entries())
    for (let n = 0; n < 4; n++) await put(pattern(10 * i + n, 64, n === 1 ? 32 : 64), folder, `${name}_${n}.png`);
}

describe("targets", () => {
  it("measures every kind of reference, and judges by their means", () =>
    inFolder(async (folder) => {
      await putSet(folder);
      const device = await testDevice();
      const data = await findTestData(folder);
      const masa = await untrainedMasa(device, NETWORK, 1);
      const peer = (name: string, psnrs: readonly number[]): PeerScores => ({
        name,
        cases: psnrs.map((psnr, i) => ({ name: `00${i}_0.png`, psnr })),
      });
      const peers = [peer("a", [3, 2]), peer("b", [1, 4])];
      const { tables, data: found } = await targets(device, masa, { ...options, data, peers });
      const { best, worst, none, itself, changed } = found as Measured;
      const [references, criteria] = tables;
      const rows = new Map(references?.rows.map(([name, ...cells]) => [name, cells]));
      expect([...rows.keys()]).to.deep.equal([
        ...["level 1", "level 3", "level 1, turned by 90°", "level 1, turned by 180°"],
        ...["level 1, scaled ×½", "level 1, scaled ×2", "the original itself", "none", "bicubic"],
      ]);

      // Each by another way through the code.
      const tests = await prepareCases(data);
      const score = async (change: (test: PreparedCase) => PreparedCase) =>
        scoreRow((await evaluatePrepared(device, masa, tests.map(change))).mean);
      const of = (name: string) => rows.get(name)?.slice(0, 7);
      expect(of("level 1")).to.deep.equal(await score((test) => test));
      const third = await evaluatePrepared(device, masa, await prepareCases(data, { level: 3 }));
      expect(of("level 3")).to.deep.equal(scoreRow(third.mean));
      const reversed = ({ data, ...image }: PreparedCase["ref"]) => {
        const turned = data.slice();
        for (let i = 0; i < data.length; i += 3) turned.set(data.subarray(i, i + 3), data.length - 3 - i);
        return { ...image, data: turned };
      };
      expect(of("level 1, turned by 180°")).to.deep.equal(
        await score((test) => withReference(test, reversed(test.ref))),
      );
      const double = (test: PreparedCase) => withReference(test, resizeBicubic(test.ref, 128, 64));
      expect(of("level 1, scaled ×2")).to.deep.equal(await score(double));
      expect(of("the original itself")).to.deep.equal(await score((test) => withReference(test, test.original)));
      // The same parameters in a network that is built without a reference.
      const file = join(folder, "w.safetensors");
      await saveParameters(masa.parameters, file);
      const without = new Masa({ ...NETWORK, useReference: false });
      await without.parameters.allocate(device);
      await loadParameters(without.parameters, file);
      expect(of("none")).to.deep.equal(scoreRow((await evaluatePrepared(device, without, tests)).mean));
      const all = [best, worst, itself, none, ...Object.values(changed)].map(({ mean }) => mean.psnr);
      expect(new Set(all).size).to.equal(8);

      const values = new Map(criteria?.rows.map(([name, value]) => [name, value]));
      const number = (name: string) => Number(values.get(name)?.replace("−", "-").replace(" %", ""));
      const psnr = best.mean.psnr;
      expect(values.get("PSNR-Y, level 1")).to.equal(psnr.toFixed(2));
      expect(number("gain of level 1 over no reference")).to.be.closeTo(psnr - none.mean.psnr, 0.006);
      expect(number("level 3 relative to no reference")).to.be.closeTo(worst.mean.psnr - none.mean.psnr, 0.006);
      const losses = Object.values(changed).map(({ mean }) => psnr - mean.psnr);
      expect(number("largest of these losses")).to.be.closeTo(Math.max(...losses), 0.006);
      expect(number("colour share ÷ colour share needed, level 1")).to.be.closeTo(
        best.mean.colourShare / best.mean.colourShareNeeded,
        0.006,
      );
      expect(number("blocks clearly worse than bicubic, level 3")).to.be.closeTo(100 * worst.mean.worseBlocks, 0.06);
      const margins = best.cases.map((one, i) => one.psnr - [3, 4][i]!);
      const range = margins.map((margin) => margin.toFixed(2)).sort((a, b) => Number(a) - Number(b));
      expect(values.get("margin over the best other network, level 1")).to.equal(
        `${range[0]} to ${range[1]}, ≥ 0.5 in 2 of 2`,
      );
      expect(itself.cases).to.have.length(2);
      for (const { parameters } of [masa, without]) parameters.dispose();
    })).timeout(300_000);

  it("replaces a reference and what is made of it", () =>
    inFolder(async (folder) => {
      await putSet(folder);
      const [test] = (await prepareCases(await findTestData(folder), { limit: 1 })) as [PreparedCase];
      const { ref, refDown, ...rest } = withReference(test, pattern(9, 50, 33));
      const { ref: _, refDown: __, ...before } = test;
      expect(rest).to.deep.equal(before);
      expect([ref.width, ref.height]).to.deep.equal([64, 48]);
      expect(refDown).to.deep.equal(downscale(ref));
    }));

  it("refuses sets with one reference, and peers that saw other images", () =>
    inFolder(async (folder) => {
      await putSet(folder);
      const device = await testDevice();
      const masa = await untrainedMasa(device, NETWORK, 1);
      const data = await findTestData(folder);
      const one = { ...data, cases: data.cases.map((test) => ({ ...test, refs: test.refs.slice(0, 1) })) };
      await failure(() => targets(device, masa, { ...options, data: one }), DataError, /one reference per image/);
      const peers = [{ name: "a", cases: [{ name: "000_0.png", psnr: 1 }] }];
      await failure(() => targets(device, masa, { ...options, data, peers }), DataError, /a was not measured on 001_0/);
      masa.parameters.dispose();
    }));

  it("reads the peers of a comparison", () =>
    inFolder(async (folder) => {
      const path = join(folder, "q.json");
      const ours = { name: "ours", role: "ours", cases: [] };
      const peer = { name: "a", role: "peer", cases: [{ name: "x", psnr: 1 }] };
      await writeFile(path, JSON.stringify({ contestants: [ours, peer] }));
      expect(await readPeers(path)).to.deep.equal([peer]);
      for (const text of ["{", "{}", JSON.stringify({ contestants: [ours] })]) {
        await writeFile(path, text);
        await failure(() => readPeers(path), DataError, /q\.json holds no scores of other networks\. Give the file/);
      }
      await failure(() => readPeers(join(folder, "none.json")), DataError, /none\.json cannot be read/);
    }));
});
