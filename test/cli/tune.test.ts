/** `masa tune`, and `--tune` of other commands, with a cache folder of their own. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { writeImage } from "../../src/files/images.js";
import { writeSafetensors } from "../../src/files/safetensors.js";
import { FileTensor } from "../../src/formats/tensor.js";
import { createImage } from "../../src/image/image.js";
import { Masa } from "../../src/masa/masa.js";
import { fillNoise, inFolder } from "../files/golden.js";
import { masa } from "./masa.js";

const WEIGHTS = "w.safetensors";
/** A network and images so small that most of the time goes into compiling. */
const SMALL = { channels: 4, encoderBlocks: [1, 1, 1], decoderBlocks: [1, 1, 1, 1, 1, 1] } as const;
const SMALLEST = ["--weights", WEIGHTS, "--lr", "8x8"];

async function putWeights(folder: string): Promise<void> {
  const tensors = new Masa(SMALL).parameters.all.map(({ name, shape, size }) => {
    const values = Float32Array.from({ length: size }, (_, i) => 0.01 * Math.sin(i));
    return [name, FileTensor.of("F32", shape, values)] as const;
  });
  await writeSafetensors(join(folder, WEIGHTS), new Map(tensors));
}

const env = (folder: string) => ({ XDG_CACHE_HOME: folder, MASA_TUNING: "" });
const cache = (folder: string) => join(folder, "masa-webgpu", "tuning.json");
const keptIn = (folder: string) => {
  const { adapters } = JSON.parse(readFileSync(cache(folder), "utf8"));
  return Object.values(adapters as Record<string, { choices: Record<string, string> }>).flatMap(({ choices }) =>
    Object.keys(choices),
  );
};

describe("masa tune", () => {
  it("refuses what cannot be meant", async () => {
    const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
      [["--lr", "8"], /Give height and width in pixels, as 120x160/],
      [["--ref", "0x8"], /Give height and width/],
      [["--budget", "0"], /Give a whole number, 1 or more/],
      [["--batch", "2"], /--batch belongs to --train/],
      [["--train", "--lr", "8x8"], /--lr belongs to no training/],
      [["--train", "--half"], /--half belongs to no training/],
      [["--train", "--batch", "3", "--micro-batch", "2"], /microBatch is 2, which does not divide batch, 3/],
      [["--train", "--preset", "huge"], /Allowed choices are/],
    ];
    await Promise.all(
      cases.map(([args, message]) =>
        inFolder(async (folder) => {
          const { code, stderr } = await masa(["tune", ...args], env(folder));
          expect(stderr)
            .to.match(/^masa tune: /m)
            .and.match(message);
          expect(code, args.join(" ")).to.equal(2);
          expect(existsSync(cache(folder))).to.equal(false);
        }),
      ),
    );
  });

  it("measures, keeps, goes on with the rest, lists and forgets", () =>
    inFolder(async (folder) => {
      const tune = (...args: readonly string[]) => masa(["tune", ...args], env(folder), undefined, folder);
      await putWeights(folder);
      const search = async (seconds: string) => {
        const { code, stdout, stderr } = await tune(...SMALLEST, "--budget", seconds);
        expect(code, stderr).to.equal(0);
        const [, left, all] = /^(\d+) of (\d+) choices are left/m.exec(stdout) ?? [];
        const kept = keptIn(folder);
        if (all) expect(kept).to.have.length(Number(all) - Number(left));
        return { kept, stdout };
      };
      const first = await search("100");
      expect(first.stdout).to.match(/^adapter: .+\nenlarging 8×8 with a reference of 32×32\n/);
      expect(first.stdout).to.match(/^operation +uses +default +chosen +gain +others$/m);
      expect(first.stdout).to.match(/^convolve 4→4 3×3 s1 p1 d1 \[1,4,\d+,\d+\] +\d+ .* [\d.]+ ms/m);
      expect(first.stdout).to.match(/^together .+, with the defaults .+: [\d.]+ % less$/m);
      const { kept } = await search("1");
      expect(kept).to.include.members(first.kept);

      const list = await tune("--list");
      for (const key of kept) expect(list.stdout).to.include(`${key} `);
      expect(list.stdout).to.include(`${kept.length} choices in ${cache(folder)}`);
      expect((await tune("--clear")).stdout).to.include("forgotten");
      expect((await tune("--list")).stdout).to.match(/nothing is kept for it\n$/);
    })).timeout(300_000);

  it("keeps what it has when it is interrupted", () =>
    inFolder(async (folder) => {
      const args = ["tune", "--lr", "80x80", "--budget", "1000"];
      const { code, stderr } = await masa(args, env(folder), (child) => {
        child.stdout?.once("data", () => setTimeout(() => child.kill("SIGINT"), 4000));
      });
      expect(code, stderr).to.equal(130);
      expect(stderr).to.match(/masa tune: stopping; .*\n(.*\n)*masa tune: interrupted\n$/);
    }));

  it("is refused a cache folder that cannot be one, before it measures", () =>
    inFolder(async (folder) => {
      writeFileSync(join(folder, "masa-webgpu"), "a file");
      const { code, stderr, stdout } = await masa(["tune", "--budget", "1"], env(folder));
      expect(code).to.equal(1);
      expect(stderr).to.match(/^masa tune: cannot create the folder .*masa-webgpu: a file has this name/m);
      expect(stdout).not.to.include("enlarging");
    }));
});

describe("masa upscale --tune", () => {
  it("enlarges also where what it finds cannot be kept", () =>
    inFolder(async (folder) => {
      const noise = (side: number) => fillNoise(createImage(side, side, 3, 8), side);
      await writeImage(join(folder, "lr.png"), noise(8));
      await writeImage(join(folder, "ref.png"), noise(32));
      await putWeights(folder);
      writeFileSync(join(folder, "masa-webgpu"), "a file");
      const images = ["--lr", "lr.png", "--ref", "ref.png", "--out", "out.png", "--weights", WEIGHTS];
      const { code, stderr } = await masa(["upscale", ...images, "--tune", "100"], env(folder), undefined, folder);
      expect(code, stderr).to.equal(0);
      expect(stderr).to.match(/^masa: what the tuner found is not kept: cannot create the folder /m);
      expect(existsSync(join(folder, "out.png"))).to.equal(true);
    })).timeout(300_000);
});
