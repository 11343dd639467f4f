/** `masa reproduce` as a user meets it at the terminal. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { masa } from "./masa.js";

describe("masa reproduce", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "masa-reproduce-"));
    writeFileSync(join(folder, "file"), "");
  });
  after(() => rmSync(folder, { recursive: true }));
  const reproduce = (...args: readonly string[]) => masa(["reproduce", ...args], {}, undefined, folder);
  const read = (...path: readonly string[]) => readFileSync(join(folder, ...path), "utf8");

  it("writes an experiment's files and says where they are", async () => {
    const { code, stdout, stderr } = await reproduce("table2", "--out", "paper");
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/^adapter {2}.+\ntable2 .*paper.table2\.md\nall +paper.index\.html\n$/);
    expect(readdirSync(join(folder, "paper")).sort()).to.deep.equal([
      "index.html",
      "table2.json",
      "table2.md",
      "table2.svg",
    ]);
    expect(read("paper", "table2.md")).to.include("367.929980772 G").and.include("`masa reproduce table2 --out paper`");
    const { conditions } = JSON.parse(read("paper", "table2.json"));
    expect(conditions.date).to.match(/^\d{4}-\d\d-\d\d$/);
    expect(stdout).to.include(`adapter  ${conditions.adapter}\n`);
  });

  it("gathers what is already there", async () => {
    const { code, stderr } = await reproduce("dense", "--out", "paper", "--sizes", "16,24");
    expect(code, stderr).to.equal(0);
    const page = read("paper", "index.html");
    for (const name of ["table2", "dense"]) expect(page).to.include(`<section id="${name}">`);
    expect(read("paper", "dense.md")).to.match(/\| 24×24 +\|/);
  });

  for (const [what, args, code, message] of [
    ["no folder", ["table2"], 2, /required option '--out <folder>'/],
    ["an experiment that there is not", ["table9", "--out", "x"], 2, /Allowed choices are table1, table2/],
    ["no data where there must be some", ["table1", "--out", "x"], 2, /table1 wants --data/],
    ["weights without images", ["fig5", "--out", "x", "--weights", "w.pth"], 2, /only where it is given --data/],
    ["an option of another experiment", ["table2", "--out", "x", "--steps", "5"], 2, /table2 takes no --steps/],
    ["an option that none takes", ["--out", "x", "--steps", "5"], 2, /none of table2, fig5, dense takes/],
    ["sides that are not cut into blocks", ["dense", "--out", "x", "--sizes", "16,20"], 2, /Give a multiple of 8/],
    ["a folder that is a file", ["table2", "--out", "file"], 1, /cannot create the folder file: a file has this name/],
  ] as const)
    it(`refuses ${what}`, async () => {
      const ended = await reproduce(...args);
      expect(ended.stderr).to.match(message);
      expect({ code: ended.code, stdout: ended.stdout }).to.deep.equal({ code, stdout: "" });
      expect(readdirSync(folder)).not.to.include("x");
    });
});
