import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "chai";
import { DataError } from "../../src/data/errors.js";
import { findTestData, findTrainingData } from "../../src/data/layouts.js";
import { failure, inFolder } from "../files/golden.js";

/** Empty files: only names matter here. */
async function touch(folder: string, ...names: readonly string[]): Promise<void> {
  for (const name of names) {
    await mkdir(join(folder, name, ".."), { recursive: true });
    await writeFile(join(folder, name), "");
  }
}

describe("data layouts", () => {
  it("finds CUFED's training pairs by equal names, with and without train/", () =>
    inFolder(async (folder) => {
      const train = join(folder, "train");
      await touch(train, "input/b.png", "input/a.png", "ref/a.png", "ref/b.png", "input/Thumbs.db", "ref/.a.png.1.tmp");
      const pairs = ["a.png", "b.png"].map((name) => ({
        name,
        hr: join(train, "input", name),
        ref: join(train, "ref", name),
      }));
      expect(await findTrainingData(folder)).to.deep.equal({ layout: "CUFED", pairs });
      expect(await findTrainingData(train)).to.deep.equal({ layout: "CUFED", pairs });
    }));

  it("matches names whose letters are composed otherwise", () =>
    inFolder(async (folder) => {
      const [nfc, nfd] = ["\u00fc.png", "u\u0308.png"];
      await touch(folder, `input/${nfd}`, `ref/${nfc}`);
      const pair = { name: nfd, hr: join(folder, "input", nfd), ref: join(folder, "ref", nfc) };
      expect((await findTrainingData(folder)).pairs).to.deep.equal([pair]);
      await writeFile(join(folder, "pairs.csv"), `hr,ref\ninput/${nfc},ref/${nfd}\n`);
      expect((await findTrainingData(folder)).pairs).to.deep.equal([{ ...pair, name: `input/${nfc}` }]);
    }));

  it("keeps pairs that lack a partner, for the check to name them", () =>
    inFolder(async (folder) => {
      await touch(folder, "input/a.png", "ref/b.png");
      expect((await findTrainingData(folder)).pairs.map(({ name }) => name)).to.deep.equal(["a.png", "b.png"]);
    }));

  it("finds CUFED5's cases with their references in order", () =>
    inFolder(async (folder) => {
      const inside = join(folder, "test", "CUFED5");
      await touch(inside, "000_2.png", "000_0.png", "000_1.png", "001_0.png", "001_1.png");
      const at = (name: string) => join(inside, name);
      const data = {
        layout: "CUFED5",
        cases: [
          { name: "000_0.png", hr: at("000_0.png"), refs: [at("000_1.png"), at("000_2.png")] },
          { name: "001_0.png", hr: at("001_0.png"), refs: [at("001_1.png"), at("001_2.png")] },
        ],
      };
      for (const path of [folder, join(folder, "test"), inside]) expect(await findTestData(path)).to.deep.equal(data);
    }));

  it("finds Sun80's cases with the folders of their references", () =>
    inFolder(async (folder) => {
      const [images, matches] = ["Sun_Hays_SR_groundtruth", "Sun_Hays_SR_scenematches"];
      await touch(folder, `${images}/a.jpg`, `${images}/b.jpg`, `${matches}/a.jpg/2.jpg`, `${matches}/a.jpg/1.jpg`);
      expect(await findTestData(folder)).to.deep.equal({
        layout: "Sun80",
        cases: [
          {
            name: "a.jpg",
            hr: join(folder, images, "a.jpg"),
            refs: ["1.jpg", "2.jpg"].map((name) => join(folder, matches, "a.jpg", name)),
          },
          { name: "b.jpg", hr: join(folder, images, "b.jpg"), refs: [join(folder, matches, "b.jpg")] },
        ],
      });
    }));

  it("takes a folder of images as Urban100", () =>
    inFolder(async (folder) => {
      await touch(folder, "img_002.png", "img_001.png");
      expect(await findTestData(folder)).to.deep.equal({
        layout: "Urban100",
        cases: ["img_001.png", "img_002.png"].map((name) => ({ name, hr: join(folder, name), refs: [] })),
      });
    }));

  it("reads pairs.csv before all others, with paths relative to it", () =>
    inFolder(async (folder) => {
      await touch(folder, "train/input/a.png", "train/ref/a.png");
      await writeFile(
        join(folder, "pairs.csv"),
        '\ufeffhr,note,ref\r\nx/1.png,"a ""quoted"", note\nin two lines",../2.jpg\n\n"a,b.png",,/c.png\n',
      );
      const pairs = [
        { name: "x/1.png", hr: join(folder, "x/1.png"), ref: join(folder, "../2.jpg") },
        { name: "a,b.png", hr: join(folder, "a,b.png"), ref: "/c.png" },
      ];
      expect(await findTrainingData(folder)).to.deep.equal({ layout: "pairs.csv", pairs });
      expect(await findTrainingData(join(folder, "pairs.csv"))).to.deep.equal({ layout: "pairs.csv", pairs });
      const { cases } = await findTestData(folder);
      expect(cases).to.deep.equal(pairs.map(({ name, hr, ref }) => ({ name, hr, refs: [ref] })));
    }));

  it("says where a pairs.csv is wrong", () =>
    inFolder(async (folder) => {
      const path = join(folder, "pairs.csv");
      const wrong = async (text: string, message: RegExp) => {
        await writeFile(path, text);
        return failure(() => findTrainingData(folder), DataError, message);
      };
      await wrong("", /pairs\.csv has no column 'hr', 'ref'\. Begin it with the line hr,ref/);
      await wrong("hr,reference\na,b\n", /has no column 'ref'/);
      await wrong("hr,ref\n", /names no images/);
      await wrong('hr,ref\na,b\n"c"d,e\n', /pairs\.csv line 3 has a quote where none may be/);
      await wrong('hr,ref\na,"b\n', /line 2 has a quote/);
      const { faults } = await wrong("hr,ref\na\nb,c\nd,e,f\n", /Give each 2 fields:\n {2}line 2 has 1 field/);
      expect(faults).to.deep.equal(["line 2 has 1 field", "line 4 has 3 fields"]);
      await wrong("hr,ref\na,\n", /line 2 names no hr or no ref/);
      await failure(() => findTrainingData(join(folder, "none.csv")), DataError, /none\.csv cannot be read/);
    }));

  it("says what it looked for and what is there", () =>
    inFolder(async (folder) => {
      await touch(folder, "readme.txt", "input/a.png");
      await failure(
        () => findTrainingData(folder),
        DataError,
        /holds no training pairs\. It has input, readme\.txt; looked for:\n {2}pairs\.csv.*\n {2}train\/input with train\/ref\n {2}input with ref/,
      );
      await failure(
        () => findTestData(folder),
        DataError,
        /holds no test images\. It has input[\s\S]*test\/CUFED5[\s\S]*Sun_Hays/,
      );
      await failure(() => findTrainingData(join(folder, "none")), DataError, /none does not exist/);
      await failure(() => findTestData(join(folder, "readme.txt")), DataError, /is no folder/);
      await mkdir(join(folder, "ref"));
      await touch(folder, "train/input/x.txt", "train/ref/x.txt");
      await failure(() => findTrainingData(folder), DataError, /train names no images/);
    }));
});
