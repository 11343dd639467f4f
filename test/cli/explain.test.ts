/** `masa explain` as a user meets it at the terminal. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { writeImage } from "../../src/files/images.js";
import { readSafetensors } from "../../src/files/safetensors.js";
import { downscale } from "../../src/image/pairs.js";
import { untrainedMasa } from "../../src/models/load.js";
import { saveParameters } from "../../src/models/save.js";
import { noise } from "../data/files.js";
import { testDevice } from "../device.js";
import { NETWORK } from "../train/test_sets.js";
import { masa } from "./masa.js";

describe("masa explain", () => {
  let folder: string;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "masa-explain-"));
    const ref = noise(1, 64);
    await writeImage(join(folder, "ref.png"), ref);
    await writeImage(join(folder, "lr.png"), downscale(ref));
    const network = await untrainedMasa(await testDevice(), NETWORK, 1);
    await saveParameters(network.parameters, join(folder, "w.safetensors"));
    network.parameters.dispose();
  });
  after(() => rmSync(folder, { recursive: true }));
  const explain = (...args: readonly string[]) =>
    masa(
      ["explain", "--lr", "lr.png", "--ref", "ref.png", "--weights", "w.safetensors", ...args],
      {},
      undefined,
      folder,
    );

  it("writes a page with its pictures, and every layer for who wants them", async () => {
    const { code, stdout, stderr } = await explain("--out", "why", "--hr", "ref.png", "--dump", "layers.safetensors");
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/^adapter .+\nwrote +why.index\.html, layers\.safetensors\n$/);
    const page = readFileSync(join(folder, "why", "index.html"), "utf8");
    for (const picture of ["lines.png", "colours.png", "similarity.png", "warped.png", "adaptation_x4_std.svg"]) {
      expect(page).to.include(`<img src="${picture}"`);
      expect(readdirSync(join(folder, "why"))).to.include(picture);
    }
    const { tensors } = await readSafetensors(join(folder, "layers.safetensors"));
    expect(tensors.get("fine_index")).to.include({ dtype: "I32" });
    expect(tensors.get("out")?.shape).to.deep.equal([1, 3, 64, 64]);
    expect(tensors.get("out")?.toFloat32().every(Number.isFinite)).to.equal(true);
  });

  for (const [what, args, code, message] of [
    ["a dump of another kind", ["--out", "x", "--dump", "layers.npz"], 2, /layers are written as \.safetensors/],
    ["a dump that would replace the weights", ["--out", "why", "--dump", "w.safetensors"], 2, /would replace w\.safet/],
    ["a truth of another size", ["--out", "why", "--hr", "lr.png"], 1, /lr\.png is 16×16, the result is 64×64/],
    ["no folder", [], 2, /required option '--out <folder>'/],
  ] as const)
    it(`refuses ${what}`, async () => {
      const ended = await explain(...args);
      expect(ended.stderr).to.match(message);
      expect({ code: ended.code, stdout: ended.stdout }).to.deep.equal({ code, stdout: "" });
    });
});
