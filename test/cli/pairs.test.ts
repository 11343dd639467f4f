import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect } from "chai";
import { checkPairs } from "../../src/data/check.js";
import { findTrainingData } from "../../src/data/layouts.js";
import { noise, put } from "../data/files.js";
import { inFolder } from "../files/golden.js";
import { masa } from "./masa.js";

/** Three photographs, one of them in a folder below, and what is none. */
async function putPhotos(folder: string): Promise<string> {
  const photos = join(folder, "photos");
  await put(noise(1, 300, 220), photos, "b.png");
  await put(noise(2, 240, 260, 1), photos, "a.jpg");
  await put(noise(3, 1100, 300), photos, "below", "c.png");
  await writeFile(join(photos, "notes.txt"), "no photo");
  await writeFile(join(photos, "below", "phone.HEIC"), "not read here");
  return photos;
}

/** SHA-256 of every file below, temporary ones included. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort()
      .map((path) => [path.slice(folder.length), createHash("sha256").update(readFileSync(path)).digest("hex")]),
  );
}

const run = (photos: string, out: string, count: number, ...more: readonly string[]) =>
  masa(["pairs", "--photos", photos, "--out", out, "--count", `${count}`, "--size", "64", ...more]);

describe("masa pairs", () => {
  it("cuts pairs in CUFED's layout that training accepts, with a table of how", () =>
    inFolder(async (folder) => {
      const [photos, out] = [await putPhotos(folder), join(folder, "out")];
      const { code, stdout, stderr } = await run(photos, out, 7);
      expect({ code, stderr: /^cutting +[\d.]+ m?s\n$/.test(stderr) }).to.deep.equal({ code: 0, stderr: true });
      expect(stdout).to.match(/out holds 7 pairs of 64×64 from 3 photographs, 7 of them new/);
      expect(stdout).to.match(/^1 in formats that are not read: below\/phone\.HEIC$/m);
      const { layout, pairs } = await findTrainingData(out);
      expect(layout).to.equal("CUFED");
      expect(pairs.map(({ name }) => name)).to.deep.equal(Array.from({ length: 7 }, (_, i) => `00000${i}.png`));
      await checkPairs(pairs, 64);
      const [header, ...rows] = readFileSync(join(out, "train.csv"), "utf8").trim().split("\n");
      expect(header).to.match(/^file,photo,kind,refPhoto,shift,/);
      const photoOf = rows.map((row) => row.split(",")[1]);
      expect(photoOf.slice(0, 3).sort()).to.deep.equal(["a.jpg", "b.png", "below/c.png"]);
      expect(photoOf.slice(3, 6)).to.deep.equal(photoOf.slice(0, 3));
    }));

  it("cuts the shares of far and poor references that it is told to", () =>
    inFolder(async (folder) => {
      const photos = await putPhotos(folder);
      const kinds = async (...shares: readonly string[]) => {
        const out = join(folder, shares.join("_"));
        await run(photos, out, 9, ...shares);
        const rows = readFileSync(join(out, "train.csv"), "utf8").trim().split("\n").slice(1);
        return rows.map((row) => row.split(",").slice(1, 5) as [string, string, string, string]);
      };
      for (const [, kind] of await kinds("--far", "0", "--poor", "0")) expect(kind).to.equal("near");
      for (const [, kind] of await kinds("--far", "1", "--poor", "0")) expect(kind).to.equal("far");
      const poor = await kinds("--far", "0", "--poor", "1");
      expect(new Set(poor.map(([, kind]) => kind))).to.deep.equal(new Set(["part", "other"]));
      for (const [photo, kind, refPhoto, shift] of poor) {
        expect(photo === refPhoto, kind).to.equal(kind === "part");
        expect(shift === "", kind).to.equal(kind === "other");
      }
    }));

  it("gives the same bytes for the same seed, at once or in two runs, and others for another seed", () =>
    inFolder(async (folder) => {
      const photos = await putPhotos(folder);
      const out = (name: string) => join(folder, name);
      await run(photos, out("once"), 8);
      await run(photos, out("twice"), 5);
      const { stdout } = await run(photos, out("twice"), 8);
      expect(stdout).to.include("holds 8 pairs").and.include("3 of them new");
      expect(contents(out("twice"))).to.deep.equal(contents(out("once")));
      await run(photos, out("other"), 1, "--seed", "1");
      const image = "/train/input/000000.png";
      expect(contents(out("other"))[image]).not.to.equal(contents(out("once"))[image]);
    }));

  for (const [signal, expected] of [
    ["SIGINT", { code: 130, message: /masa pairs: interrupted\n$/ }],
    ["SIGKILL", { code: null, message: /^$/ }],
  ] as const)
    it(`goes on after ${signal} as if nothing had happened`, () =>
      inFolder(async (folder) => {
        const photos = await putPhotos(folder);
        const [whole, stopped] = [join(folder, "whole"), join(folder, "stopped")];
        const first = join(stopped, "train/ref");
        const args = ["pairs", "--photos", photos, "--size", "64", "--count", "24"];
        const { code, stderr } = await masa([...args, "--out", stopped], {}, (child) => {
          const stop = async () => {
            while (!existsSync(first) || readdirSync(first).length < 5) await setTimeout(5);
            child.kill(signal);
          };
          void stop();
        });
        expect(code).to.equal(expected.code);
        expect(stderr).to.match(expected.message);
        const inputs = readdirSync(join(stopped, "train/input"));
        expect(inputs.length).to.be.within(5, 23);
        if (signal === "SIGINT") {
          expect(readdirSync(first)).to.deep.equal(inputs);
          const rows = readFileSync(join(stopped, "train.csv"), "utf8").trim().split("\n");
          expect(rows.slice(1).map((row) => row.split(",")[0])).to.deep.equal(inputs);
        } else {
          // What a process leaves that is killed while it writes.
          await writeFile(join(first, ".000000.png.999999999-0.tmp"), "half");
        }
        await masa([...args, "--out", stopped]);
        await masa([...args, "--out", whole]);
        expect(contents(stopped)).to.deep.equal(contents(whole));
      }));

  it("makes again what was deleted", () =>
    inFolder(async (folder) => {
      const [photos, out] = [await putPhotos(folder), join(folder, "out")];
      await run(photos, out, 4);
      const before = contents(out);
      await rm(join(out, "train/ref/000002.png"));
      const { stdout } = await run(photos, out, 4);
      expect(stdout).to.include("1 of them new");
      expect(contents(out)).to.deep.equal(before);
    }));

  it("goes on without photographs that give nothing, and names them", () =>
    inFolder(async (folder) => {
      const [photos, out] = [await putPhotos(folder), join(folder, "out")];
      await writeFile(join(photos, "broken.jpg"), "none");
      await put(noise(1, 70, 70), photos, "small.png");
      const { code, stdout } = await run(photos, out, 10);
      expect(code).to.equal(0);
      expect(stdout).to.match(
        /holds 6 pairs.*\n1 in formats that are not read: below\/phone\.HEIC\n2 photographs gave fewer pairs than their share:\n {2}broken\.jpg is no image of a known format\n {2}small\.png is too small, or too little of it is sharp\n$/,
      );
    }));

  it("refuses folders and options that cannot be meant", () =>
    inFolder(async (folder) => {
      const [photos, out] = [await putPhotos(folder), join(folder, "out")];
      const fails = async (code: number, message: RegExp, ...args: readonly string[]) => {
        const ended = await masa(["pairs", ...args]);
        expect(ended.code, ended.stderr).to.equal(code);
        expect(ended.stderr).to.match(message);
      };
      await fails(2, /required option '--photos <folder>'/, "--out", out);
      await fails(
        2,
        /'--size <pixels>' argument '100' is invalid\. Give a multiple of 32/,
        "--photos",
        photos,
        "--out",
        out,
        "--size",
        "100",
      );
      await fails(2, /Give a number from 0 to 1/, "--photos", photos, "--out", out, "--far", "1.5");
      await fails(2, /add up to more than 1/, "--photos", photos, "--out", out, "--far", "0.6", "--poor", "0.5");
      await fails(2, /Give a whole number, 1 or more/, "--photos", photos, "--out", out, "--count", "0");
      await fails(
        1,
        /none does not exist\. Give a folder of photographs/,
        "--photos",
        join(folder, "none"),
        "--out",
        out,
      );
      await fails(1, /notes\.txt is no folder/, "--photos", join(photos, "notes.txt"), "--out", out);
      await fails(1, /lies among the photographs/, "--photos", photos, "--out", join(photos, "below"));
      await fails(1, /is not empty, and no folder of pairs/, "--photos", photos, "--out", folder);
      await mkdir(join(folder, "empty"));
      await fails(1, /empty holds no photographs/, "--photos", join(folder, "empty"), "--out", out);
      expect(existsSync(out)).to.equal(false);

      await run(photos, out, 1);
      await fails(1, /begun with --seed 0, not 1/, "--photos", photos, "--out", out, "--size", "64", "--seed", "1");
      await fails(1, /begun with --size 64, not 160/, "--photos", photos, "--out", out);
      await fails(1, /begun with --far 0\.28, not 0/, "--photos", photos, "--out", out, "--size", "64", "--far", "0");
      const { far: _, ...earlier } = JSON.parse(readFileSync(join(out, "pairs.json"), "utf8"));
      await writeFile(join(out, "pairs.json"), JSON.stringify(earlier));
      await fails(
        1,
        /begun by an earlier version.*Give a new folder/,
        "--photos",
        photos,
        "--out",
        out,
        "--size",
        "64",
      );
      await writeFile(join(out, "pairs.json"), JSON.stringify({ ...earlier, far: 0.28 }));
      await put(noise(9, 300, 300), photos, "new.png");
      await fails(1, /begun with other photographs/, "--photos", photos, "--out", out, "--size", "64");
      await writeFile(join(out, "pairs.json"), "{");
      await fails(1, /pairs\.json is damaged/, "--photos", photos, "--out", out, "--size", "64");
      await fails(
        1,
        /none of the 1 photographs.*\n {2}small\.png is too small/,
        "--photos",
        await putSmall(folder),
        "--out",
        join(folder, "o2"),
      );
    }));
});

async function putSmall(folder: string): Promise<string> {
  await put(noise(1, 70, 70), folder, "small", "small.png");
  return join(folder, "small");
}
