import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { DataError } from "../../../src/data/errors.js";
import { skippedIn } from "../../../src/data/layouts.js";
import { ImageError } from "../../../src/files/errors.js";
import { writeImage } from "../../../src/files/images.js";
import { createImage } from "../../../src/image/image.js";
import { checkResults, pairsOfFolders, pairsOfList, readPair } from "../../../src/upscale/batch/pairs.js";
import { casePath } from "../../cases.js";
import { failure, inFolder } from "../../files/golden.js";

/** Tests a list of these lines. */
const withList = (lines: readonly string[], test: (path: string, folder: string) => Promise<void>) =>
  inFolder(async (folder) => {
    const path = join(folder, "pairs.csv");
    writeFileSync(path, lines.join("\n"));
    await test(path, folder);
  });

/** Makes empty files. */
function put(folder: string, ...names: string[]): void {
  for (const name of names) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), "");
  }
}

describe("the pairs of a list", () => {
  it("have one or several references, and a true image and a name where these are given", () =>
    withList(
      [
        "\ufeffout,lr,note,ref,hr",
        ",a.png,x,r.png,",
        "sub/./B.webp,/b.jpg,,r.png;../s t.png;,h.png",
        '"c,1.png",c,,r,',
      ],
      async (path, folder) => {
        const { pairs, unused } = await pairsOfList(path);
        const at = (name: string) => join(folder, name);
        expect(pairs).to.deep.equal([
          { lr: at("a.png"), refs: [at("r.png")], hr: undefined, out: "a.png" },
          { lr: "/b.jpg", refs: [at("r.png"), at("../s t.png")], hr: at("h.png"), out: join("sub", "B.webp") },
          { lr: at("c"), refs: [at("r")], hr: undefined, out: "c,1.png" },
        ]);
        expect(unused).to.deep.equal(["note"]);
      },
    ));

  it("may have a semicolon in a reference's name, and letters composed otherwise than on the disk", () =>
    inFolder(async (folder) => {
      const [nfc, nfd] = ["\u00fc", "u\u0308"];
      put(folder, `${nfd}/a${nfd}.png`, "x;y.png", "x", "y.png");
      const refs = async () => (await pairsOfList(join(folder, "list.csv"))).pairs.map((pair) => pair.refs);
      writeFileSync(join(folder, "list.csv"), `lr,ref,out\n${nfc}/a${nfc}.png,x;y.png,1.png\nb,x;q.png,2.png\n`);
      const { pairs } = await pairsOfList(join(folder, "list.csv"));
      expect(pairs[0]?.lr).to.equal(join(folder, nfd, `a${nfd}.png`));
      expect(await refs()).to.deep.equal([[join(folder, "x;y.png")], [join(folder, "x"), join(folder, "q.png")]]);
    }));

  it("are refused with all their faults", async () => {
    const refuses = (lines: readonly string[], message: RegExp) =>
      withList(lines, async (path) => void (await failure(() => pairsOfList(path), DataError, message)));
    await refuses(["lr,reference", "a,b"], /has no column 'ref'\. Begin it with the line lr,ref/);
    await refuses(["lr,ref"], /names no pairs\. Give a list/);
    await refuses(["lr,ref", ",r", "a,;"], /lack a file.*\n {2}line 2 names no lr\n {2}line 3 names no ref$/);
    await refuses(
      ["lr,ref,out", "a.png,r,", "b/A.jpg,r,", "c,r,../c.png", "d,r,/d.png", "e,r,e.gif", "f,r,..f.png"],
      /in a column 'out':\n.*b\/A\.jpg and .*a\.png would both become A\.png\n.*c would become \.\.\/c\.png, which is not in.*\n.*\/d\.png, which.*\n.*e\.gif names no image format$/,
    );
    await failure(() => pairsOfList("none.csv"), DataError, /none\.csv cannot be read/);
  });
});

describe("the pairs of folders", () => {
  it("share a name, whatever its ending, or the references", () =>
    inFolder(async (folder) => {
      put(folder, "lr/b.png", "lr/a.jpg", "lr/notes.txt", "ref/a.webp", "ref/c.png", "hr/a.png", "hr/b.png", "all.png");
      const at = (name: string) => join(folder, name);
      expect(await pairsOfFolders(at("lr"), [at("ref"), at("all.png")], at("hr"))).to.deep.equal([
        { lr: at("lr/a.jpg"), refs: [at("ref/a.webp"), at("all.png")], hr: at("hr/a.png"), out: "a.png" },
        { lr: at("lr/b.png"), refs: [at("ref/b.png"), at("all.png")], hr: at("hr/b.png"), out: "b.png" },
      ]);
      expect((await pairsOfFolders(at("lr"), [at("none")]))[0]).to.deep.include({ refs: [at("none")], hr: undefined });
      await failure(() => pairsOfFolders(at("none"), []), DataError, /none holds no images/);
      put(folder, "lr/a.png");
      await failure(() => pairsOfFolders(at("lr"), []), DataError, /a\.png and .*a\.jpg would both become a\.png/);
    }));

  it("have the partner of exactly their name, or none where two differ in their ending only", async () => {
    const at = (name: string) => casePath(`namesake/${name}`);
    const [pair] = await pairsOfFolders(at("lr"), [at("ref")], at("hr"));
    expect(pair).to.deep.include({ refs: [at("ref/b.jpg")], hr: at("hr/b.jpg") });
    await inFolder(async (folder) => {
      put(folder, "lr/b.webp", "ref/b.png", "ref/b.jpg");
      await failure(
        () => pairsOfFolders(join(folder, "lr"), [join(folder, "ref")]),
        DataError,
        /ref has 2 partners of b\.webp: b\.jpg and b\.png\. Keep one of them, or name it exactly b\.webp/,
      );
    });
  });

  it("are matched after Unicode normalisation", () =>
    inFolder(async (folder) => {
      put(folder, "lr/u\u0308.png", "ref/\u00fc.jpg");
      const [pair] = await pairsOfFolders(join(folder, "lr"), [join(folder, "ref")]);
      expect(pair?.refs).to.deep.equal([join(folder, "ref", "\u00fc.jpg")]);
    }));

  it("leave out files that are no images, which are listed", async () => {
    const lr = casePath("folder-skips/lr");
    expect((await pairsOfFolders(lr, [casePath("folder-skips/ref.png")])).map(({ out }) => out)).to.deep.equal([
      "1.png",
    ]);
    expect(await skippedIn(lr)).to.deep.equal(["2.bmp", "3.heic"]);
    expect(await skippedIn("none")).to.deep.equal([]);
  });
});

describe("results", () => {
  it("do not stand in the place of what is read, under whatever name, or of a folder", () =>
    inFolder(async (folder) => {
      put(folder, "a.png", "r.png", "new/b.png/x");
      symlinkSync(folder, join(folder, "link"));
      const pair = (out: string) => ({ lr: join(folder, "a.png"), refs: [join(folder, "r.png")], out });
      checkResults(join(folder, "new"), [pair("a.png")]);
      const refuses = (place: string, out: string, message: RegExp) =>
        failure(() => checkResults(join(folder, place), [pair(out)]), DataError, message);
      await refuses(".", "a.png", /Use another folder:\n.*a\.png is one of the images that are read/);
      await refuses("link", "r.png", /r\.png is one of/);
      await refuses("new", "b.png", /b\.png is a folder/);
    }));
});

describe("reading a pair", () => {
  it("wants a true image of four times the size", () =>
    inFolder(async (folder) => {
      const at = (name: string) => join(folder, name);
      await writeImage(at("lr.png"), createImage(5, 3, 3, 8));
      await writeImage(at("hr.png"), createImage(20, 12, 3, 8));
      const { hr, refs } = await readPair({ lr: at("lr.png"), refs: [at("lr.png")], hr: at("hr.png") });
      expect([hr?.width, refs.length]).to.deep.equal([20, 1]);
      const wrong = { lr: at("lr.png"), refs: [], hr: at("lr.png") };
      await failure(() => readPair(wrong), ImageError, /lr\.png is 5×3, the result will be 20×12/);
    }));
});
