import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { DataError } from "../../../src/data/errors.js";
import { Results, type Row } from "../../../src/upscale/batch/results.js";
import { failure, inFolder } from "../../files/golden.js";

/** Names that once were confused, duplicated or computed. */
const NAMES = [
  "a  b.png",
  "a b.png",
  "a\tb.png",
  "a\nb.png",
  "=1+1.png",
  "'=1+1.png",
  "-a.png",
  'q"<b>".png',
  "c,d.png",
];

describe("results.csv", () => {
  it("keeps every name as it is, over several runs, each once", () =>
    inFolder(async (folder) => {
      for (let run = 0; run < 2; run++) {
        const results = await Results.read(folder);
        for (const out of NAMES) {
          if (run > 0) expect(results.get(out)?.lr).to.equal(`/x/${out}`);
          await results.set({ out, lr: `/x/${out}`, status: "failed", error: `${out} is\nno image` });
        }
        await results.write(NAMES);
      }
      const rows = NAMES.map((out) => ({ out, error: `${out} is\nno image` }));
      const read = await Results.read(folder);
      for (const { out, error } of rows) expect(read.get(out)).to.deep.include({ out, error });
      const text = readFileSync(read.path, "utf8");
      expect(text.match(/failed/g)).to.have.length(NAMES.length);
      expect(text).to.not.match(/^[=+\-@]/m);
    }));

  it("loses only the row that a killed process left half written, wherever it was cut", () =>
    inFolder(async (folder) => {
      const results = await Results.read(folder);
      const row: Row = { out: "a.png", lr: "a", status: "done" };
      await results.set(row);
      await results.set({ out: "ü\nb.png", lr: "b", status: "failed", error: 'x "y"\n\nz' });
      const whole = readFileSync(results.path);
      const first = whole.indexOf("a.png");
      const start = whole.indexOf("\n", first) + 1;
      for (let length = start; length < whole.length; length++) {
        writeFileSync(results.path, whole.subarray(0, length));
        const cut = await Results.read(folder);
        expect(cut.get("a.png")?.status, `${length} bytes`).to.equal("done");
        expect(cut.get("ü\nb.png"), `${length} bytes`).to.equal(undefined);
      }
    }));

  it("is never overwritten where it cannot be read", () =>
    inFolder(async (folder) => {
      const path = join(folder, "results.csv");
      mkdirSync(path);
      await failure(() => Results.read(folder), DataError, /results\.csv cannot be read: EISDIR/);
      const latin1 = join(folder, "l");
      mkdirSync(latin1);
      writeFileSync(join(latin1, "results.csv"), Buffer.from("out,lr\n\xfc,1\n", "latin1"));
      await failure(() => Results.read(latin1), DataError, /line 2 has a character that is not UTF-8/);
    }));

  it("may have been saved by a spreadsheet with semicolons", () =>
    inFolder(async (folder) => {
      const results = await Results.read(folder);
      await results.set({ out: "a.png", lr: "a", status: "done", psnr: 20.5 });
      const text = readFileSync(results.path, "utf8");
      writeFileSync(results.path, `\ufeff${text.replaceAll(",", ";")}`);
      expect((await Results.read(folder)).get("a.png")).to.include({ status: "done", psnr: "20.5" });
    }));
});
