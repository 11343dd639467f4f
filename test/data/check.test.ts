import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { checkCases, checkPairs } from "../../src/data/check.js";
import { DataError } from "../../src/data/errors.js";
import { findTestData, findTrainingData } from "../../src/data/layouts.js";
import { failure, inFolder } from "../files/golden.js";
import { noise, put, putPairs } from "./files.js";

describe("data check", () => {
  it("lists all faults of a training set together", () =>
    inFolder(async (folder) => {
      await putPairs(folder, 12);
      const [input, ref] = ["train/input", "train/ref"].map((name) => join(folder, name)) as [string, string];
      await rm(join(ref, "001.png"));
      await rm(join(input, "002.png"));
      await writeFile(join(ref, "003.png"), "");
      await writeFile(join(ref, "004.png"), "no image at all");
      await truncate(join(input, "005.png"), 1000);
      await rm(join(ref, "006.png"));
      await mkdir(join(ref, "006.png"));
      await put(noise(1, 1), input, "007.png");
      await put(noise(1, 16, 64), ref, "008.png");
      const { pairs } = await findTrainingData(folder);
      const error = await failure(() => checkPairs(pairs, 32), DataError);
      expect([...error.faults].sort()).to.deep.equal(
        [
          `${ref}/001.png does not exist`,
          `${input}/002.png does not exist`,
          `${ref}/003.png is empty`,
          `${ref}/004.png is no image of a known format`,
          `${input}/005.png is a PNG that ends too early`,
          `${ref}/006.png is a folder`,
          `${input}/007.png has 1×1 pixels, fewer than 17×17`,
          `${ref}/008.png has 16×64 pixels, fewer than 17×17`,
        ].sort(),
      );
      expect(error.message).to.match(/^8 of 24 training pairs cannot be used\. Repair or remove:\n {2}\//);
      for (const fault of error.faults) expect(error.message).to.include(`\n  ${fault}`);
    }));

  it("accepts what training can use: other kinds, other sizes, and padding to the size", () =>
    inFolder(async (folder) => {
      await put(noise(1, 32, 32, 1, 16), folder, "input/a.png");
      await put(noise(2, 32, 32, 4), folder, "ref/a.png");
      await put(noise(3, 64, 40), folder, "input/b.png");
      await put(noise(4, 17, 31), folder, "ref/b.png");
      await put(noise(5), folder, "input/c.jpg");
      await put(noise(6), folder, "ref/c.jpg");
      const { pairs } = await findTrainingData(folder);
      const steps: number[] = [];
      await checkPairs(pairs, 32, { onProgress: (done, total) => steps.push(done / total) });
      expect(steps).to.deep.equal([0, 1]);
    }));

  it("lists all faults of a test set", () =>
    inFolder(async (folder) => {
      for (const name of ["000_0", "000_1", "000_2", "001_0", "001_2"]) await put(noise(1), folder, `${name}.png`);
      await put(noise(1, 10, 32), folder, "002_0.png");
      await put(noise(1, 1), folder, "002_1.png");
      await put(noise(1, 1), folder, "002_2.png");
      const { cases } = await findTestData(folder);
      const { faults } = await failure(() => checkCases(cases), DataError, /2 of 9 test images/);
      expect([...faults].sort()).to.deep.equal([
        `${folder}/001_1.png does not exist`,
        `${folder}/002_0.png has 10×32 pixels, fewer than 11×11`,
      ]);
    }));

  it("demands of a shared file what its strictest user needs", () =>
    inFolder(async (folder) => {
      const small = await put(noise(1, 8), folder, "a.png");
      const cases = [
        { name: "a", hr: small, refs: [small] },
        { name: "b", hr: await put(noise(2), folder, "b.png"), refs: [small] },
      ];
      await failure(() => checkCases(cases), DataError, /1 of 2 test images/);
    }));

  it("does not print thousands of lines", () => {
    const error = new DataError(
      "many",
      "Repair:",
      Array.from({ length: 5000 }, (_, i) => `fault ${i}`),
    );
    expect(error.faults).to.have.length(5000);
    expect(error.message.split("\n")).to.have.length(102);
    expect(error.message).to.match(/fault 99\n {2}and 4900 more$/);
  });

  it("ends when it is aborted", () =>
    inFolder(async (folder) => {
      const pairs = await putPairs(folder, 40);
      const controller = new AbortController();
      const stopped = failure(
        () =>
          checkPairs(pairs, 32, { signal: controller.signal, onProgress: () => controller.abort(new Error("enough")) }),
        Error,
        /enough/,
      );
      await stopped;
      await failure(() => checkPairs(pairs, 32, { signal: controller.signal }), Error, /enough/);
    }));
});
