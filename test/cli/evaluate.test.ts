/** `masa evaluate` as a user meets it at the terminal. */
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { CaseResult, Evaluation } from "../../src/evaluate/evaluate.js";
import { readImage } from "../../src/files/images.js";
import { readSafetensors, writeSafetensors } from "../../src/files/safetensors.js";
import { FileTensor } from "../../src/formats/tensor.js";
import { psnrY, ssimY } from "../../src/image/metrics.js";
import { untrainedMasa } from "../../src/models/load.js";
import { saveParameters } from "../../src/models/save.js";
import { noise, put } from "../data/files.js";
import { testDevice } from "../device.js";
import { LAYOUTS, NETWORK, putLayout } from "../train/test_sets.js";
import { masa } from "./masa.js";

const WEIGHTS = "small.safetensors";
const EXAMPLES = fileURLToPath(new URL("../../../examples/data/cufed5", import.meta.url));

let folder: string;
const at = (...path: readonly string[]) => join(folder, ...path);
const listing = () => readdirSync(folder, { recursive: true }).sort();

type Report = { adapter: string; weights: string; data: string; protocol: string; results: Evaluation[] };
const report = (name: string) => JSON.parse(readFileSync(at(name), "utf8")) as Report;

/** The options as one text; the later ones replace the earlier. */
const evaluate = (options: string, path: readonly string[] = [], meanwhile?: (child: ChildProcess) => void) =>
  masa(["evaluate", "--weights", WEIGHTS, ...options.split(" "), ...path], {}, meanwhile, folder);

/** Ends with `code`, one message and no new file. */
async function refuses(code: 1 | 2, options: string, message: RegExp): Promise<void> {
  const before = listing();
  const { stderr, stdout, code: ended } = await evaluate(options);
  expect(stderr, options).to.match(message);
  expect({ code: ended, stdout }, options).to.deep.equal({ code, stdout: "" });
  expect(listing()).to.deep.equal(before);
}

/** What `line` must be for a result: name, PSNR, SSIM, those of bicubic, similarity, time. */
function expectLine(
  line: string,
  name: string,
  { psnr, ssim, bicubicPsnr, bicubicSsim, similarity }: Omit<CaseResult, "name">,
) {
  const [dB, bicubicDb] = [psnr.toFixed(2), bicubicPsnr.toFixed(2)];
  const wanted = `${name} ${dB} dB ${ssim.toFixed(4)} bicubic ${bicubicDb} dB ${bicubicSsim.toFixed(4)} similarity ${similarity.toFixed(3)}`;
  expect(line.replace(/ +/g, " ")).to.match(/^(.*) [\d.]+ m?s$/);
  expect(line.replace(/ +/g, " ").replace(/ [\d.]+ m?s$/, "")).to.equal(wanted);
}

/** What the table of means must hold: every metric, a row for each pass and one for bicubic. */
function expectTable(lines: readonly string[], titles: readonly string[], means: readonly Evaluation["mean"][]) {
  const columns = "PSNR-Y SSIM-Y RGB Cb/Cr GMSD colour_share worse_blocks similarity time";
  const cells = (line: string) => line.split(/ {2,}/);
  expect(lines.every((line) => line.length <= 110)).to.equal(true);
  expect(cells(lines[0] as string)).to.deep.equal([
    "means",
    ...columns.split(" ").map((name) => name.replace("_", " ")),
  ]);
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  for (const [i, mean] of means.entries()) {
    const own = [mean.psnr.toFixed(2), mean.ssim.toFixed(4), mean.psnrRgb.toFixed(2), mean.psnrCbCr.toFixed(2)];
    const rest = [percent(mean.colourShare), percent(mean.worseBlocks), mean.similarity.toFixed(3)];
    expect(cells(lines[i + 1] as string).slice(0, -1)).to.deep.equal([
      titles[i],
      ...own,
      mean.gmsd.toFixed(4),
      ...rest,
    ]);
  }
  const { bicubicPsnr, bicubicSsim, bicubicPsnrRgb, bicubicPsnrCbCr, bicubicGmsd, ...mean } = means[0]!;
  const bicubic = [
    bicubicPsnr.toFixed(2),
    bicubicSsim.toFixed(4),
    bicubicPsnrRgb.toFixed(2),
    bicubicPsnrCbCr.toFixed(2),
  ];
  const needed = `needed ${percent(mean.colourShareNeeded)}`;
  expect(cells(lines[means.length + 1] as string)).to.deep.equal([
    "bicubic",
    ...bicubic,
    bicubicGmsd.toFixed(4),
    needed,
  ]);
}

describe("masa evaluate", () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "masa-evaluate-"));
    const network = await untrainedMasa(await testDevice(), NETWORK, 1);
    await saveParameters(network.parameters, at(WEIGHTS));
    network.parameters.dispose();
    for (const layout of LAYOUTS) await putLayout(layout, at(layout === "pairs.csv" ? "pairs" : layout));
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [data, protocol, layout] of [
    ["CUFED5", "cufed5", "CUFED5"],
    ["Sun80", "sun80", "Sun80"],
    ["Urban100", "urban100", "Urban100"],
    ["pairs", "pairs", "pairs.csv"],
  ] as const)
    it(`finds out that ${data} is evaluated as ${protocol}, and reports every image and the mean`, async () => {
      const { code, stdout, stderr } = await evaluate(`--data ${data} --json report.json`);
      expect(code, stderr).to.equal(0);
      const found = report("report.json");
      rmSync(at("report.json"));
      const [result] = found.results as [Evaluation];
      expect(found).to.include({ weights: WEIGHTS, data, protocol });
      expect(Object.keys(found)).to.deep.equal(["adapter", "weights", "data", "protocol", "results"]);
      expect([found.results.length, result.layout, result.level]).to.deep.equal([1, layout, 1]);
      const [adapter, weights, about, ...lines] = stdout.trimEnd().split("\n") as [string, string, string, ...string[]];
      expect(adapter).to.equal(`adapter  ${found.adapter}`);
      expect(weights).to.equal(`weights  ${WEIGHTS}`);
      expect(about).to.equal(`data     ${data}: 2 images, laid out as ${layout}`);
      expect(lines).to.have.length(5);
      for (const [i, one] of result.cases.entries()) expectLine(lines[i] as string, one.name, one);
      expectTable(lines.slice(2), ["mean"], [result.mean]);
    });

  it("writes the images it measures, each under a name of its own", async () => {
    const { code, stderr } = await evaluate("--data pairs/pairs.csv --save out/a --json out/a/report.json");
    expect(code, stderr).to.equal(0);
    expect(readdirSync(at("out/a")).sort()).to.deep.equal(["a-2.png", "a.png", "report.json"]);
    const { cases } = report("out/a/report.json").results[0] as Evaluation;
    expect(cases.map(({ name }) => name)).to.deep.equal(["x/a.png", "y/a.png"]);
    for (const [i, [saved, original]] of [
      ["a.png", "x/a.png"],
      ["a-2.png", "y/a.png"],
    ].entries()) {
      const [image, hr] = [
        await readImage(at("out/a", saved as string)),
        await readImage(at("pairs", original as string)),
      ];
      expect([psnrY(image, hr), ssimY(image, hr)]).to.deep.equal([cases[i]?.psnr, cases[i]?.ssim]);
    }
    await refuses(1, "--data pairs --save out/a", /out\/a\/a\.png exists already\. Give --save a folder that holds no/);
    rmSync(at("out"), { recursive: true });
  });

  it("stacks the references under cufed5-multi", async () => {
    const { code, stderr } = await evaluate("--data CUFED5 --protocol cufed5-multi --limit 1 --json r.json");
    expect(code, stderr).to.equal(0);
    const { protocol, results } = report("r.json");
    rmSync(at("r.json"));
    expect([protocol, results[0]?.level, results[0]?.cases.length]).to.deep.equal(["cufed5-multi", "all", 1]);
  });

  it("stores features in 16 bits where that is wanted, and says so", async () => {
    const { code, stdout, stderr } = await evaluate("--data CUFED5 --limit 1 --half --json r.json");
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/^storage {2}features in 16 bits$/m);
    expect(report("r.json")).to.include({ storage: "f16" });
    rmSync(at("r.json"));
  });

  it("takes the level asked for, or each, with a table of the means", async () => {
    const one = await evaluate("--data CUFED5 --level 2 --json two.json");
    const { code, stdout, stderr } = await evaluate("--data CUFED5 --level each --json r.json --save out");
    expect([one.code, code], stderr).to.deep.equal([0, 0]);
    const [two, { results }] = [report("two.json"), report("r.json")];
    const psnrs = ({ cases }: Evaluation) => cases.map(({ psnr }) => psnr);
    expect(results.map(({ level }) => level)).to.deep.equal([1, 2]);
    expect(psnrs(results[1] as Evaluation)).to.deep.equal(psnrs(two.results[0] as Evaluation));
    expect(psnrs(results[0] as Evaluation)).not.to.deep.equal(psnrs(results[1] as Evaluation));
    const lines = stdout.trimEnd().split("\n").slice(3);
    expect(lines.map((line) => line.split("  ")[0]?.trim())).to.deep.equal([
      "level 1",
      "000_0.png",
      "001_0.png",
      "mean",
      "level 2",
      "000_0.png",
      "001_0.png",
      "mean",
      "means",
      "level 1",
      "level 2",
      "bicubic",
    ]);
    for (const [i, { mean }] of results.entries()) expectLine(lines[4 * i + 3] as string, "mean", mean);
    const means = results.map(({ mean }) => mean);
    expectTable(lines.slice(8), ["level 1", "level 2"], means);
    for (const level of ["level-1", "level-2"])
      expect(readdirSync(at("out", level)).sort()).to.deep.equal(["000_0.png", "001_0.png"]);
    for (const name of ["out", "two.json", "r.json"]) rmSync(at(name), { recursive: true });
  });

  it("writes a PSNR without bound as a text", async () => {
    const flat = { ...noise(1, 32), data: new Uint8Array(32 * 32 * 3).fill(90) };
    await put(flat, at("flat"), "a.png");
    const { code, stdout, stderr } = await evaluate("--data flat --json r.json");
    expect(code, stderr).to.equal(0);
    expect(report("r.json").results[0]?.mean.bicubicPsnr).to.equal("Infinity");
    expect(stdout).to.match(/bicubic Infinity dB 1\.0000/);
    for (const name of ["flat", "r.json"]) rmSync(at(name), { recursive: true });
  });

  it("evaluates the bundled photographs", async () => {
    const { code, stdout } = await evaluate("--limit 1 --data", [EXAMPLES]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^008_0\.png +\d\d\.\d\d dB 0\.\d{4} {2}bicubic 27\.48 dB 0\.7578 /m);
  });

  it("refuses options that cannot be meant", async () => {
    for (const [options, message] of [
      ["--limit 1", /required option '--data <path>' not specified/],
      [
        "--data CUFED5 --protocol cufed",
        /'cufed' is invalid\. Allowed choices are cufed5, cufed5-multi, sun80, urban100, pairs/,
      ],
      ["--data CUFED5 --level 0", /'--level <number>' argument '0' is invalid/],
      ["--data CUFED5 --level all", /'all' is invalid\. Give a whole number/],
      ["--data CUFED5 --limit 0", /Give a whole number, 1 or more/],
      ["--data Urban100 --level 1", /--level chooses a reference; the protocol urban100 leaves no choice/],
      ["--data CUFED5 --protocol cufed5-multi --level each", /the protocol cufed5-multi leaves no choice/],
      [`--data CUFED5 --json ${WEIGHTS}`, /--json small\.safetensors would replace small\.safetensors/],
      ["--data CUFED5 --json CUFED5/000_1.png", /--json CUFED5\/000_1\.png would replace .*000_1\.png/],
      ["--data CUFED5 --save new --json new/000_0.png", /would replace new\/000_0\.png; give it another name/],
    ] as const)
      await refuses(2, options, message);
  });

  it("refuses data, weights and outputs that cannot be used, before the GPU is opened", async () => {
    mkdirSync(at("empty"));
    writeFileSync(at("page.pth"), "<html>");
    for (const [options, message] of [
      ["--data none", /none does not exist\. Check the path$/m],
      ["--data empty", /empty holds no test images\. It has nothing; looked for:\n {2}pairs\.csv/],
      [
        "--data CUFED5 --protocol sun80",
        /CUFED5 is laid out as CUFED5, not as Sun80\. Give --protocol cufed5 or cufed5-multi, or/,
      ],
      [
        "--data Urban100 --protocol pairs",
        /laid out as Urban100, not as pairs\.csv\. Give --protocol urban100, or another folder$/m,
      ],
      [
        "--data CUFED5 --level 3",
        /2 of 2 test images have no reference 3\. Choose one of 1 to 2:\n {2}000_0\.png has 2/,
      ],
      ["--data Sun80 --level 2", /1 of 2 test images have no reference 2\. Choose one of 1 to 1:\n {2}b\.png has 1/],
      ["--data CUFED5 --weights none.pth", /none\.pth does not exist/],
      ["--data CUFED5 --weights page.pth", /page\.pth is no file of weights/],
      ["--data CUFED5 --json none/r.json", /the folder none does not exist/],
      ["--data CUFED5 --save page.pth", /cannot create the folder page\.pth: a file has this name/],
      ["--data Urban100 --save Urban100", /Urban100\/img_a\.png exists already/],
      ["--data CUFED5 --adapter nothing --save new", /no GPU adapter has 'nothing' in its name/],
    ] as const)
      await refuses(1, options, message);
  });

  it("refuses weights that do not fit", async () => {
    const { tensors } = await readSafetensors(at(WEIGHTS));
    await writeSafetensors(at("fewer.safetensors"), new Map([...tensors].slice(1)));
    await refuses(1, "--data CUFED5 --weights fewer.safetensors", /do not fit this network: 1 tensor/);
  });

  it("lists all faulty files together, of those it would use", async () => {
    await putLayout("CUFED5", at("faulty"));
    writeFileSync(at("faulty/000_1.png"), "text");
    rmSync(at("faulty/001_1.png"));
    await put(noise(1, 600, 20), at("faulty"), "001_2.png");
    await put(noise(1, 8), at("faulty"), "001_0.png");
    await refuses(1, "--data faulty", /3 of 4 test images cannot be used\. Repair or remove:\n(?:.*\n){3}$/);
    const { stderr } = await evaluate("--data faulty");
    for (const fault of [
      "000_1.png is no image",
      "001_1.png does not exist",
      "001_0.png has 8×8 pixels, fewer than 11×11",
    ])
      expect(stderr).to.include(`\n  faulty/${fault}`);
    await refuses(1, "--data faulty --level 2", /1 of 4 test images cannot be used/);
    await refuses(
      1,
      "--data faulty --protocol cufed5-multi",
      /4 of 6 test[\s\S]*001_2\.png has 600×20 pixels, more than 512×512/,
    );
    await refuses(1, "--data faulty --limit 1", /1 of 2 test images cannot be used/);
  });

  it("fails where the network gives no numbers, and leaves nothing", async () => {
    const before = listing();
    const { tensors } = await readSafetensors(at(WEIGHTS));
    const huge = [...tensors].map(([name, { shape, data }]) => {
      const values = Float32Array.from(data as Float32Array, (value) => 1e30 * value);
      return [name, FileTensor.of("F32", shape, values)] as const;
    });
    await writeSafetensors(at("huge.safetensors"), new Map(huge));
    const { code, stderr } = await evaluate("--data CUFED5 --weights huge.safetensors --save out --json r.json");
    expect(code).to.equal(1);
    expect(stderr).to.match(/^masa evaluate: 000_0\.png: the network's result has values that are infinite or NaN/m);
    rmSync(at("huge.safetensors"));
    expect(listing()).to.deep.equal(before);
  });

  it("ends with 130 on Ctrl-C, with whole images and no report", async () => {
    const before = listing();
    const { code, stdout, stderr } = await evaluate("--data Urban100 --save out --json r.json", [], (child) => {
      child.stdout?.on("data", (text: string) => {
        if (text.includes("img_a.png")) child.kill("SIGINT");
      });
    });
    expect(code).to.equal(130);
    expect(stderr).to.include("masa evaluate: interrupted");
    expect(stdout).not.to.include("mean");
    expect(readdirSync(at("out"))).to.deep.equal(["img_a.png"]);
    expect((await readImage(at("out/img_a.png"))).width).to.equal(100);
    rmSync(at("out"), { recursive: true });
    expect(listing()).to.deep.equal(before);
  });
});
