/** `masa train` as a user meets it at the terminal. */
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { PRESETS, TRAIN_OPTIONS } from "../../src/train/config.js";
import { noise, put, putPairs } from "../data/files.js";
import { digestOf, figuresOf, SMALLEST, temporaryFiles } from "../train/runs.js";
import { masa } from "./masa.js";

let folder: string;
const at = (...names: readonly string[]) => join(folder, ...names);
const listing = () => (readdirSync(folder, { recursive: true }) as string[]).sort();
const kebab = (key: string) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** A configuration as options. */
const optionsOf = (config: Readonly<Record<string, unknown>>) =>
  Object.entries(config).flatMap(([key, value]) => [`--${kebab(key)}`, String(value)]);

/** Writes a config file and gives the option that names it. */
function configFile(content: unknown): string[] {
  writeFileSync(at("config.json"), typeof content === "string" ? content : JSON.stringify(content));
  return ["--config", "config.json"];
}

const GOOD = { ...SMALLEST, data: "data", steps: 3 };

/** What Dawn and the adapter say on every machine without a GPU is no message of the command. */
async function train(args: readonly string[], meanwhile?: (child: ChildProcess) => void) {
  const ended = await masa(["train", "--out", "run", ...args], {}, meanwhile, folder);
  const stderr = ended.stderr.replace(/^(Warning: |masa: adapter ).*\n/gm, "");
  return { ...ended, stderr };
}

/** Ends with `code` and this one message, and changes no file. */
async function refuses(code: 1 | 2, message: string | RegExp, args: readonly string[]): Promise<void> {
  const before = listing();
  const ended = await train(args);
  const text = ended.stderr
    .replace(/^checking .*\n/m, "")
    .replace("Run 'masa train --help' for its arguments and options.\n", "");
  if (typeof message === "string") expect(text).to.equal(`masa train: ${message}\n`);
  else expect(text).to.match(message);
  expect(text.match(/masa train:/g), text).to.have.length(1);
  expect(text).not.to.match(/^ +at /m);
  expect(ended.code, text).to.equal(code);
  expect(listing()).to.deep.equal(before);
}

describe("masa train", () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "masa-train-"));
    await putPairs(at("data"), 5);
    writeFileSync(at("config.json"), "");
  });
  after(() => rmSync(folder, { recursive: true }));

  it("explains every option, preset and file", async () => {
    const { code, stdout, stderr } = await train(["--help"]);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: "" });
    for (const [key, { argument }] of Object.entries(TRAIN_OPTIONS))
      expect(stdout).to.include(`--${kebab(key)} <${argument}>`);
    for (const name of Object.keys(PRESETS)) expect(stdout).to.match(new RegExp(`^ {2}${name} `, "m"));
    for (const name of ["--out", "--config", "--resume", "--preset", "metrics.jsonl", "best.safetensors"])
      expect(stdout).to.include(name);
    expect(stdout).to.match(/--batch <number> .*\(9\)/s);
  });

  it("trains as the API does, and the same from a config file, options before it", async () => {
    const byOptions = await train([...optionsOf(GOOD), "--out", "by-options"]);
    expect(byOptions.code, byOptions.stderr).to.equal(0);
    expect(byOptions.stdout).to.match(
      /^adapter: .+\n4 training pairs, 1 validation cases\nparameters: generator [\d,]+; .* of GPU memory\n/,
    );
    expect(byOptions.stdout).to.match(/^step 3: PSNR-Y [\d.]+ dB, SSIM-Y [\d.]+ \(bicubic .*\), the best so far · /m);
    const last = join("by-options/checkpoints/step-00000003.safetensors");
    expect(byOptions.stdout).to.match(/best: .* dB at step 3, by-options\/checkpoints\/best\.safetensors\n/);
    expect(byOptions.stdout).to.match(new RegExp(`done at step 3, ${last}\n$`));
    expect(byOptions.stderr).to.match(
      /^checking .*\n(step [12]\/3 .*\n)*step 3\/3 · 100 % · epoch 2 · rec [\d.]+ · .* · [\d.]+ m?s left\n$/,
    );

    const file = configFile({ ...GOOD, steps: 99, average: 0.5, chroma: 0, orient: "each", preset: "tiny" });
    const byFile = await train([...file, "--steps", "3", "--average", "none", "--out", "by-file"]);
    expect(byFile.code, byFile.stderr).to.equal(0);
    const config = (run: string) => JSON.parse(readFileSync(at(run, "config.json"), "utf8")) as object;
    // The preset says what neither does.
    const preset = { warmup: 20, firstWeights: "he", smooth: 0.1 };
    expect(config("by-file")).to.deep.equal({ ...config("by-options"), ...preset });
    expect(config("by-options")).to.deep.include({ ...GOOD, encoderBlocks: [0, 0, 0] });
  });

  it("profiles a few steps, whose bits are those of any others", async () => {
    const digests: string[] = [];
    for (const [out, ...profile] of [["plain"], ["profiled", "--profile", "trace.json"]] as const) {
      const { code, stdout, stderr } = await train([...optionsOf({ ...GOOD, steps: 7 }), "--out", out, ...profile]);
      expect(code, stderr).to.equal(0);
      digests.push(await digestOf(at(out, "checkpoints/step-00000007.safetensors")));
      if (profile.length === 0) expect(stdout).not.to.include("profile");
      else {
        expect(stdout).to.match(/^profile +\d+ dispatches, [\d.]+ ms a step by .*, 3 steps$/m);
        expect(stdout).to.match(/^backward\.decode\.x4 +\d+ +[\d.]+ /m);
        expect(stdout.indexOf("wrote trace.json"), "told before the run ends").to.be.below(stdout.indexOf("step 7:"));
      }
    }
    expect(digests[1]).to.equal(digests[0]);
    const { traceEvents } = JSON.parse(readFileSync(at("trace.json"), "utf8")) as { traceEvents: { name: string }[] };
    expect(traceEvents.filter(({ name }) => name === "adam").length % 3, "three steps").to.equal(0);
    rmSync(at("trace.json"));
    const short = await train([...optionsOf({ ...GOOD, steps: 2 }), "--out", "short", "--profile"]);
    expect(short.stdout).to.match(/^profile +nothing was profiled: .*$/m);
  });

  it("lists all faults of a config file together", async () => {
    const bad = { preset: "tny", batchsize: 3, lr: "a", dat: 1, encoderBlocks: [1, 2], augment: 1, steps: 1.5, zzz: 0 };
    await refuses(
      2,
      [
        "the configuration has 8 faults. Correct:",
        '  preset is "tny"; there are masa-rec, masa, small, tiny',
        "  batchsize is unknown; did you mean blockSize?",
        '  lr is "a"; a number of at least 0 is wanted',
        "  dat is unknown; did you mean data?",
        "  encoderBlocks is [1,2]; 3 numbers, as 1,2,3 is wanted",
        "  augment is 1; true or false is wanted",
        "  steps is 1.5; a whole number of at least 1 is wanted",
        "  zzz is unknown",
      ].join("\n"),
      configFile(bad),
    );
    const wrong = { ...GOOD, rec: 0, microBatch: 3, batch: 4 };
    await refuses(
      2,
      /has 2 faults\. Correct:\n {2}rec, chroma, edges, per and adv are 0: .*\n {2}microBatch is 3, which does not divide batch, 4\n$/,
      configFile(wrong),
    );
    await refuses(2, /has a fault\. Correct:\n {2}data is missing: the folder or pairs\.csv/, []);
  });

  it("says what is wrong with the config file itself", async () => {
    await refuses(2, /^masa train: the config none\.json cannot be read: .*ENOENT.*\. Check the path\n$/, [
      ...["--config", "none.json"],
    ]);
    await refuses(2, /^masa train: the config data cannot be read: .*EISDIR.*\n$/, ["--config", "data"]);
    await refuses(
      2,
      /^masa train: the config config\.json is no JSON: .*\. Correct it there\n$/,
      configFile('{"preset":'),
    );
    await refuses(2, /^masa train: the config config\.json is no JSON object\. Write it as/, configFile([1]));
  });

  it("says which option is wrong", async () => {
    await refuses(2, /unknown option '--lrr'\n\(Did you mean --lr\?\)\n$/, ["--lrr", "3"]);
    await refuses(2, /'--lr <rate>' argument 'x' is invalid\. lr is "x"; a number of at least 0 is wanted\n$/, [
      "--lr",
      "x",
    ]);
    await refuses(2, /'--size <pixels>' .* a multiple of 32 is wanted\n$/, ["--size", "100"]);
    await refuses(2, /'--schedule <kind>' .* cosine or anneal or constant or step is wanted\n$/, [
      "--schedule",
      "cosin",
    ]);
    await refuses(2, /'--preset <name>' argument 'big' is invalid\. Allowed choices are masa-rec, /, [
      "--preset",
      "big",
    ]);
    await refuses(2, /unexpected argument 'data'; put quotation marks/, ["data"]);
    const { code, stderr } = await masa(["train", "--data", "data"]);
    expect({ code, stderr: stderr.split("\n")[0] }).to.deep.equal({
      ...{ code: 2, stderr: "masa train: required option '--out <folder>' not specified" },
    });
  });

  it("wants VGG19's weights before it trains with the perceptual loss", async () => {
    await refuses(2, /per is 1, which wants vgg: the file vgg19-dcbb9e9d\.pth/, optionsOf({ ...GOOD, per: 1 }));
    await refuses(
      1,
      /^masa train: VGG19's weights: none\.pth does not exist\. Give the file vgg19-dcbb9e9d\.pth: torchvision's/,
      optionsOf({ ...GOOD, per: 1, vgg: "none.pth" }),
    );
  });

  it("says what is wrong with data, weights and folders", async () => {
    await refuses(1, "none does not exist. Check the path", optionsOf({ ...GOOD, data: "none" }));
    await refuses(1, /^masa train: none\.pth does not exist/, optionsOf({ ...GOOD, init: "none.pth" }));
    await refuses(
      1,
      /^masa train: 5 pairs do not fill a batch of 6\. Give a smaller/,
      optionsOf({ ...GOOD, batch: 6 }),
    );
    writeFileSync(at("file"), "");
    for (const out of ["file", "file/run"])
      await refuses(1, /^masa train: cannot write .*file is no folder/, [...optionsOf(GOOD), "--out", out]);
    // Not even root makes folders there.
    if (process.platform === "linux")
      await refuses(1, /^masa train: cannot write \/proc\/.*\n$/, [...optionsOf(GOOD), "--out", "/proc/run"]);
  });

  it("lists every file that cannot be used, and accepts other kinds of images", async () => {
    await putPairs(at("faulty"), 12);
    const [input, ref] = ["faulty/train/input", "faulty/train/ref"] as const;
    rmSync(at(ref, "001.png"));
    rmSync(at(input, "002.png"));
    writeFileSync(at(ref, "003.png"), "");
    await truncate(at(input, "004.png"), 1000);
    rmSync(at(ref, "005.png"));
    mkdirSync(at(ref, "005.png"));
    await put(noise(1, 1), at(input), "006.png");
    await put(noise(1, 16, 64), at(ref), "007.png");
    await put(noise(1, 32, 32, 1), at(input), "008.png");
    await put(noise(1, 32, 32, 4), at(input), "009.png");
    await put(noise(1, 32, 32, 3, 16), at(input), "010.png");
    // Two of the twelve pairs are held out to validate with.
    const options = optionsOf({ ...GOOD, data: "faulty", validateCases: 2 });
    await refuses(
      1,
      [
        "7 of 20 training pairs cannot be used. Repair or remove:",
        `  ${ref}/001.png does not exist`,
        `  ${input}/002.png does not exist`,
        `  ${ref}/003.png is empty`,
        `  ${input}/004.png is a PNG that ends too early`,
        `  ${ref}/005.png is a folder`,
        `  ${input}/006.png has 1×1 pixels, fewer than 17×17`,
        `  ${ref}/007.png has 16×64 pixels, fewer than 17×17`,
      ].join("\n"),
      options,
    );
    for (const name of ["001", "002", "003", "004", "005", "006", "007"])
      for (const side of [input, ref]) rmSync(at(side, `${name}.png`), { recursive: true, force: true });
    const { code, stderr } = await train([...options, "--out", "repaired"]);
    expect(code, stderr).to.equal(0);
  });

  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)
    it(`finishes the step at ${signal}, saves, ends with ${code}, and resumes`, async () => {
      const out = `run-${signal}`;
      const options = optionsOf({ ...GOOD, steps: 100_000, checkpointEvery: 100_000, validateEvery: 100_000 });
      const ended = await train([...options, "--out", out], (child) => {
        const metrics = at(out, "metrics.jsonl");
        const timer = setInterval(() => {
          if (!existsSync(metrics) || readFileSync(metrics, "utf8").split("\n").length < 4) return;
          child.kill(signal);
          clearInterval(timer);
        }, 5);
        child.once("exit", () => clearInterval(timer));
      });
      expect(ended.code, ended.stderr).to.equal(code);
      expect(ended.stderr)
        .to.match(/masa train: stopping; press Ctrl-C again/)
        .and.match(/masa train: interrupted\n$/);
      const step = Number(/^stopped at step (\d+), /m.exec(ended.stdout)?.[1]);
      expect(step).to.be.within(3, 99_999);
      expect(ended.stdout).to.match(new RegExp(`^Go on with: masa train --out ${out} --resume$`, "m"));
      expect((await figuresOf(at(out))).map((line) => line.step)).to.deep.equal(
        Array.from({ length: step }, (_, i) => i + 1),
      );
      expect(temporaryFiles(at(out))).to.deep.equal([]);
      const name = (step: number) => `step-${String(step).padStart(8, "0")}.safetensors`;
      expect(readdirSync(at(out, "checkpoints"))).to.include(name(step));

      const resumed = await train(["--out", out, "--resume", "--steps", `${step + 2}`]);
      expect(resumed.code, resumed.stderr).to.equal(0);
      expect(resumed.stdout).to.match(new RegExp(`^goes on from step ${step}, `, "m"));
      const whole = await train([...optionsOf({ ...GOOD, steps: step + 2 }), "--out", `whole-${signal}`]);
      expect(whole.code, whole.stderr).to.equal(0);
      const digest = (run: string) => digestOf(at(run, "checkpoints", name(step + 2)));
      expect(await digest(out)).to.equal(await digest(`whole-${signal}`));
    });

  it("says so where the folder holds a run, and what a resumed run must not be told", async () => {
    const held = ["--out", "held"];
    const { code, stderr } = await train([...optionsOf({ ...GOOD, steps: 1 }), ...held]);
    expect(code, stderr).to.equal(0);
    await refuses(1, "held holds a training run already. Go on with it by --resume, or give another --out", [
      ...optionsOf(GOOD),
      ...held,
    ]);
    await refuses(2, /^masa train: the run was begun with lr 0\.01, batch 2\. Omit lr, batch to continue it/, [
      ...[...held, "--resume", "--lr", "1", "--batch", "3"],
    ]);
  });
});
