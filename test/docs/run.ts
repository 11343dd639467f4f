/**
 * Runs what the documents show: every command in a folder that has the files it names, small ones; and the examples. What
 * takes long is cut short by further options, or runs elsewhere, as said below. Not part of `npm test`, for it takes a
 * minute or two: `npm run test:docs`.
 */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect } from "chai";
import { readImage, writeImage } from "../../src/files/images.js";
import { readSafetensors } from "../../src/files/safetensors.js";
import { createImage } from "../../src/image/image.js";
import { type Ended, node } from "../cli/masa.js";
import { fillNoise, goldenPath } from "../files/golden.js";
import { COMMANDS, ROOT } from "./documents.js";

/** A training of seconds, whatever the preset. */
const BRIEF = [
  ...["--channels", "4", "--encoder-blocks", "1,1,1", "--decoder-blocks", "1,1,1,1,1,1"],
  ...["--size", "32", "--batch", "2", "--steps", "2", "--workers", "1", "--validate-cases", "1"],
];
const FILTERED = ["--filter", "ops/relu"];

/** What is done with the commands that begin so; the first that fits counts. A text says where it runs instead, and why. */
const RULES: readonly (readonly [start: string, how: string | readonly string[]])[] = [
  ["masa train --preset masa", "test/train: it wants VGG19's weights, which cannot be downloaded here"],
  ["masa train --out runs/rec --resume", ["--steps", "3"]],
  ["masa train --help", []],
  ["masa train --preset small --steps", "nowhere: they are the record of trainings on data that are not part of this"],
  ["masa train …", "test/cli/train.test.ts and tune.test.ts: what stands for the rest is no command line"],
  ["masa train", BRIEF],
  ["masa pairs --count", "nowhere: it cuts photographs that are not part of this"],
  ["masa pairs --", ["--count", "4"]],
  ["masa pairs", "the line before it, with the folders it needs"],
  ["masa evaluate --data test", "nowhere: its test images are not part of this; test/cli/evaluate.test.ts has others"],
  ["masa evaluate", ["--limit", "1"]],
  ["masa export", []],
  ["masa upscale --weights", "no command line, but the name of an option"],
  ["masa upscale", ["--overwrite"]],
  ["masa explain", []],
  ["masa doctor", []],
  ["masa tune", "test/cli/tune.test.ts: it takes minutes to measure"],
  ["masa conformance test/golden --list", []],
  ["masa conformance test/golden --filter ops/conv2d", []],
  [
    "masa conformance test/golden --filter",
    "npm run conformance has all cases; porting.test.ts holds filters to their names",
  ],
  ["masa conformance test/golden --json", FILTERED],
  ["masa conformance DIR", "npm run conformance, with test/golden for DIR"],
  ["masa reproduce table2", []],
  ["masa reproduce", "test/cli/reproduce.test.ts and test/reproduce, on smaller data: they train for hours"],
  ["masa demo", "test/cli: npm run demo takes half a minute on a CPU, and writes into this checkout"],
  ["npm run bench -- --list", []],
  ["npm run bench -- --memory", []],
  ["npm run bench", "test/bench/command.test.ts, on small shapes: it takes minutes to measure"],
  ["npm run test:docs", "this is it"],
  ["npm", "by .ci/run or by hand: it installs, or runs another suite"],
];

function ruleOf(command: string) {
  return RULES.find(([start]) => command.startsWith(start));
}

/** Names of subcommands that want options: a document that only names one shows no command line. */
const NAME = /^masa (upscale|evaluate|train|export|explain)$/;
const shown = [...new Set(COMMANDS.map(({ words }) => words.join(" ")))].filter((command) => !NAME.test(command));

describe("what the documents show", () => {
  let folder: string;
  const at = (...names: string[]) => join(folder, ...names);
  const images = (from: string, to: string) =>
    cpSync(join(ROOT, "examples/data/cufed5", from), at(to), { recursive: true });

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "masa-docs-"));
    const [lr, ref] = ["lr", "ref"].map((name) => goldenPath(`img/wrap_0_${name}.png`)) as [string, string];
    const copies = { [lr]: ["lr.png", "photo.png", "frames/a.png"], [ref]: ["ref.png", "sharp.png", "stills/a.png"] };
    for (const [source, names] of Object.entries(copies))
      for (const name of names) {
        mkdirSync(dirname(at(name)), { recursive: true });
        copyFileSync(source, at(name));
      }
    await writeImage(at("sharp.jpg"), fillNoise(createImage(48, 32, 3, 8), 1));
    writeFileSync(at("pairs.csv"), "lr,ref\nphoto.png,sharp.jpg;sharp.png\n");
    mkdirSync(at("Pictures"));
    copyFileSync(join(ROOT, "examples/data/aloe_hr.png"), at("Pictures/aloe.png"));
    images("train", "CUFED");
    images("test/CUFED5", "CUFED5");
    cpSync(join(ROOT, "test/golden"), at("test/golden"), { recursive: true });
    copyFileSync(join(ROOT, "weights/small.safetensors"), at("rec.pth"));
  });
  after(() => rmSync(folder, { recursive: true }));

  const succeeds = ({ code, stdout, stderr }: Ended) => expect(code, `${stdout}\n${stderr}`).to.equal(0);

  it("has a rule for each command, and a command for each rule", () => {
    expect(shown.filter((command) => ruleOf(command) === undefined)).to.deep.equal([]);
    const used = new Set(shown.map(ruleOf));
    expect(RULES.filter((rule) => !used.has(rule)).map(([start]) => start)).to.deep.equal([]);
  });

  for (const command of shown) {
    const how = ruleOf(command)?.[1];
    if (how === undefined || typeof how === "string") continue;
    it(command, async () => {
      const words = COMMANDS.find((candidate) => candidate.words.join(" ") === command)?.words ?? [];
      const [main, given] =
        words[0] === "npm" ? ["dist/bench/main.js", words.slice(4)] : ["dist/src/cli/main.js", words.slice(1)];
      const args = given.map((word) => word.replace(/^~/, folder));
      succeeds(await node([join(ROOT, main), ...args, ...how], {}, undefined, folder));
    });
  }

  const example = async (name: string, ...args: string[]) => {
    const ended = await node([join(ROOT, "dist/examples", `${name}.js`), ...args], {}, undefined, folder);
    succeeds(ended);
    return ended.stdout;
  };

  it("examples/upscale.ts", async () => {
    expect(await example("upscale", "lr.png", "ref.png", "rec.pth", "by-example.png")).to.match(/^\d+×\d+, mean sim/);
    expect((await readImage(at("by-example.png"))).width).to.equal(4 * (await readImage(at("lr.png"))).width);
  });

  it("examples/train.ts", async () => {
    expect(await example("train", "CUFED", "runs/example", "1")).to.match(
      /1 steps, best .*step-00000001\.safetensors$/m,
    );
  });

  it("examples/custom_network.ts, which trains and saves", async () => {
    const stdout = await example("custom_network", join(ROOT, "examples/data/cufed5"), "8");
    const losses = [...stdout.matchAll(/^step \d+: L1 ([\d.]+)$/gm)].map(([, loss]) => Number(loss));
    expect(losses).to.have.length(8);
    expect(losses.every((loss) => loss > 0 && loss < 0.2)).to.equal(true);
    expect((await readSafetensors(at("net.safetensors"))).tensors.has("body.3.conv2.bias")).to.equal(true);
  });

  it("examples/custom_loss.ts, which trains and resumes", async () => {
    const run = (steps: string) => example("custom_loss", join(ROOT, "examples/data/cufed5"), "runs/edges", steps);
    expect(await run("2")).to.match(/step 2: L1 0\.\d+, total 0\.\d+\n2 steps/);
    expect(await run("3")).to.match(/^step 3: L1/);
  });

  it("examples/custom_operation.ts, which computes what the CPU does", async () => {
    const stdout = await example("custom_operation");
    const [gpu, cpu] = [...stdout.matchAll(/^(?:y| ) ([\d. ]+?)(?: on the CPU)?$/gm)].map(([, row]) => row);
    expect(gpu).to.equal(cpu);
    expect(stdout).to.match(/gradient checked: error \d/);
  });
});
