/** `masa upscale` of lists and folders. test/batch has what comes of it; here is what it says. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { readImage, writeImage } from "../../src/files/images.js";
import { createImage } from "../../src/image/image.js";
import { Masa } from "../../src/masa/masa.js";
import { saveParameters } from "../../src/models/save.js";
import { testDevice } from "../device.js";
import { fillNoise } from "../files/golden.js";
import { masa } from "./masa.js";

describe("masa upscale of many images", () => {
  let folder: string;
  const at = (...names: string[]) => join(folder, ...names);
  const upscale = (args: string, ...rest: [Parameters<typeof masa>[2]?]) =>
    masa(["upscale", "--weights", "w.safetensors", ...args.split(" ")], {}, rest[0], folder);
  const put = (name: string, width: number, height = width) =>
    writeImage(at(name), fillNoise(createImage(width, height, 3, 8), width));

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "masa-many-"));
    for (const name of ["lr", "ref", "empty"]) mkdirSync(at(name));
    for (const name of ["lr/a.png", "lr/b.png"]) await put(name, 8);
    await put("lr/c.png", 64);
    for (const name of ["ref/a.jpg", "ref/b.png", "hr.png"]) await put(name, 32);
    writeFileSync(
      at("pairs.csv"),
      "lr,ref,hr\nlr/a.png,ref/a.jpg,hr.png\nlr/b.png,ref/b.png;hr.png,\nlr/c.png,hr.png,\n",
    );
    writeFileSync(at("clash.csv"), "lr,ref\nlr/a.png,r\nref/a.jpg,r\n");
    const { parameters } = new Masa({ channels: 4, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] });
    await parameters.allocate(await testDevice(), 1);
    await saveParameters(parameters, at("w.safetensors"));
    parameters.dispose();
  });
  after(() => rmSync(folder, { recursive: true }));

  it("refuses without asking for a GPU what cannot be meant", async () => {
    const before = readdirSync(folder, { recursive: true });
    const refuse = async (code: number, args: string, message: RegExp) => {
      const { stderr, ...ended } = await upscale(args);
      expect(stderr)
        .to.match(/^masa upscale: /)
        .and.match(message);
      expect(ended, args).to.deep.equal({ code, stdout: "" });
    };
    await Promise.all([
      refuse(2, "--pairs pairs.csv --lr lr --out o", /--lr does not go with --pairs, whose list names these files/),
      refuse(2, "--pairs pairs.csv --out o --compare s.png", /--compare is for one image; of many, --out gets results/),
      refuse(2, "--lr lr --ref ref --out o.png", /--out o\.png names an image, and there are many; give a folder/),
      refuse(2, "--lr lr --ref ref", /required option '--out <folder>' not specified/),
      refuse(2, "--lr lr --out o", /required option '--ref <file\.\.\.>' not specified/),
    ]);
    await Promise.all([
      refuse(1, "--pairs none.csv --out o", /none\.csv cannot be read/),
      refuse(1, "--lr empty --ref ref --out o", /empty holds no images/),
      refuse(1, "--pairs clash.csv --out o", /would both become a\.png$/m),
      refuse(1, "--pairs pairs.csv --out o --weights none.pth", /none\.pth does not exist/),
      refuse(1, "--lr lr --ref ref --out lr", /results would overwrite other files.*\n.*lr\/a\.png is one of/),
    ]);
    expect(readdirSync(folder, { recursive: true })).to.deep.equal(before);
  });

  it("does all that can be done, lists what failed, and ends with 1", async () => {
    const { code, stdout, stderr } = await upscale("--lr lr --ref ref --out some");
    expect(code).to.equal(1);
    expect(stdout).to.match(/^pairs {5}3\nadapter .*\nweights {3}w\.safetensors\n/);
    expect(stdout).to.match(
      /^failed {4}lr\/c\.png: ref\/c\.png does not exist\. Check the path\ndone {6}2 images in .* 1 failed · some/m,
    );
    expect(stderr).to.match(/^image 3\/3 · 100 % · c\.png · 0 ms left\n/m);
    expect(stderr).to.match(/^masa upscale: 1 of 3 images failed; the same command tries them again\n$/m);
    expect(readdirSync(at("some")).sort()).to.deep.equal(["a.png", "b.png", "results.csv"]);
  });

  it("ends with 130 on Ctrl-C, and goes on from there with the same command", async () => {
    const stopped = await upscale("--pairs pairs.csv --out all", (child) => {
      const timer = setInterval(() => existsSync(at("all/a.png")) && child.kill("SIGINT") && clearInterval(timer), 2);
      child.once("exit", () => clearInterval(timer));
    });
    expect(stopped.code, stopped.stderr).to.equal(130);
    const [, done] = /^stopped {3}(\d) of 3 images are done; the same command goes on$/m.exec(stopped.stdout) ?? [];
    expect(readdirSync(at("all")).length).to.equal(Number(done) + 1);
    const { code, stdout } = await upscale("--pairs pairs.csv --out all");
    expect(code).to.equal(0);
    expect(stdout).to.include(`pairs     3, ${done} of them in all already\n`);
    expect(stdout).to.match(/^quality {3}mean of 1: PSNR-Y \d.* dB, SSIM-Y .* \(bicubic PSNR-Y .*\)$/m);
    expect(stdout).to.match(
      new RegExp(`^done {6}${3 - Number(done)} images in .*, ${done} skipped · all/results.csv\\n$`, "m"),
    );
    for (const [name, width] of [
      ["a.png", 32],
      ["c.png", 256],
    ] as const)
      expect((await readImage(at("all", name))).width).to.equal(width);
    expect(readFileSync(at("all/results.csv"), "utf8").split("\n")).to.have.length(5);
  });
});
