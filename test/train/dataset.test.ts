import { join } from "node:path";
import { expect } from "chai";
import { DataError } from "../../src/data/errors.js";
import { type TrainChanges, trainConfig } from "../../src/train/config.js";
import { readTrainingSet } from "../../src/train/dataset.js";
import { noise, put, putPairs } from "../data/files.js";
import { failure, inFolder } from "../files/golden.js";
import { SMALLEST } from "./runs.js";

const read = (changes: TrainChanges) => readTrainingSet(trainConfig(SMALLEST, changes), {});
const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name.slice(0, 3));

describe("training set", () => {
  it("holds the last pairs out where there are no test cases, but leaves a batch", () =>
    inFolder(async (data) => {
      await putPairs(data, 5);
      for (const [validateCases, batch, trained, held] of [
        [2, 2, ["000", "001", "002"], ["003", "004"]],
        [9, 2, ["000", "001"], ["002", "003", "004"]],
        [9, 4, ["000", "001", "002", "003"], ["004"]],
        [9, 5, ["000", "001", "002", "003", "004"], []],
        [0, 2, ["000", "001", "002", "003", "004"], []],
      ] as const) {
        const { pairs, test } = await read({ data, validateCases, batch });
        expect([names(pairs), names(test.cases)], `${validateCases} of ${batch}`).to.deep.equal([trained, held]);
      }
    }));

  it("trains with all pairs where CUFED5's test set lies beside them or another is named", () =>
    inFolder(async (data) => {
      await putPairs(join(data, "one"), 3);
      await put(noise(1), data, "other/a.png");
      await put(noise(2), data, "other/b.png");
      const validated = await read({ data: join(data, "one"), validate: join(data, "other"), validateCases: 1 });
      expect([validated.pairs.length, validated.test.layout]).to.deep.equal([3, "Urban100"]);
      expect(names(validated.test.cases)).to.deep.equal(["a.p"]);

      for (const name of ["007_0", "007_1", "007_2", "008_0", "008_1", "008_2"])
        await put(noise(3), data, "one/test/CUFED5", `${name}.png`);
      const { pairs, test } = await read({ data: join(data, "one"), validateCases: 4 });
      expect([pairs.length, test.layout]).to.deep.equal([3, "CUFED5"]);
      expect(test.cases.map(({ refs }) => refs)).to.deep.equal(
        ["007_1", "008_1"].map((name) => [join(data, "one/test/CUFED5", `${name}.png`)]),
      );
    }));

  it("knows the pairs by their names and order", () =>
    inFolder(async (data) => {
      await putPairs(data, 4);
      const { hash } = await read({ data });
      expect((await read({ data, validateCases: 0 })).hash).not.to.equal(hash);
      await put(noise(9), data, "train/input/0005.png");
      await put(noise(9), data, "train/ref/0005.png");
      expect((await read({ data })).hash).not.to.equal(hash);
    }));

  it("refuses validation data that cannot be used, before anything is trained", () =>
    inFolder(async (data) => {
      await putPairs(data, 3);
      await failure(() => read({ data, validate: join(data, "none") }), DataError, /none does not exist/);
      await put(noise(1, 8), data, "small/a.png");
      await failure(() => read({ data, validate: join(data, "small") }), DataError, /a\.png has 8×8 pixels, fewer/);
    }));
});
