/** `masa evaluate`: the metrics of a network on a test set, by the paper's protocol. */
import { access, realpath, rmdir } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { DataError } from "../data/errors.js";
import type { TestData } from "../data/layouts.js";
import type { CaseResult, Evaluation } from "../evaluate/evaluate.js";
import { bicubicRow, SCORE_COLUMNS, type Scores, scoreRow } from "../evaluate/scores.js";
import { OutputError } from "../files/errors.js";
import { GpuError } from "../gpu/errors.js";
import type { Ensemble } from "../masa/ensemble.js";
import {
  addCommand,
  clearStatus,
  ensembleOption,
  formatDuration,
  halfOption,
  Progress,
  pathArgument,
  print,
  runCommand,
  SHIPPED,
  showStatus,
  UsageError,
  unread,
  wholeNumber,
} from "./command.js";
import { openRankDevice, workforce } from "./ranks.js";
import { table } from "./table.js";

const EXAMPLES = `
A protocol is a layout of files with the paper's way to prepare them. What the folder holds decides unless one is given:
  cufed5        NNN_0.png with references NNN_1.png (most similar) to NNN_5.png, one of which is used: --level
  cufed5-multi  the same files, all references of an image used at once
  sun80         Sun_Hays_SR_groundtruth with Sun_Hays_SR_scenematches; the first reference, or --level
  urban100      a folder of images, each the reference of itself in low resolution
  pairs         pairs.csv with the columns hr,ref

The low-resolution images are made from the high-resolution ones. PSNR and SSIM are taken on Y of 8-bit images, up to the
border, as in the paper. The time is that of the network's run, without reading, compiling and measuring.

The table of means shows more:
  RGB, Cb/Cr    PSNR over red, green and blue, and over the two colour components alone
  GMSD          gradient magnitude similarity deviation, a perceptual metric; 0 is best
  colour share  how much of the energy that the network adds to bicubic is colour; the row of bicubic has what is needed
  worse blocks  16×16 blocks whose squared error on Y is more than 10 % and more than 3 above bicubic's

Examples:
  masa evaluate --data CUFED5
  masa evaluate --data CUFED5 --weights masa_rec.pth --protocol cufed5-multi --save out --json out.json
  masa evaluate --data CUFED5 --weights masa_rec.pth --level each      every similarity level, with a table of the means
`;

/** The first of a layout is its default. */
const LAYOUTS = {
  cufed5: "CUFED5",
  "cufed5-multi": "CUFED5",
  sun80: "Sun80",
  urban100: "Urban100",
  pairs: "pairs.csv",
} as const satisfies Record<string, TestData["layout"]>;
type Protocol = keyof typeof LAYOUTS;
const PROTOCOLS = Object.keys(LAYOUTS) as Protocol[];
/** Those in which an image has several references and one is chosen. */
const WITH_LEVELS: readonly Protocol[] = ["cufed5", "sun80"];

const BAR = 20;

interface Options {
  readonly data: string;
  readonly weights?: string;
  readonly protocol?: Protocol;
  readonly level?: number | "each";
  readonly limit?: number;
  readonly rawColours?: boolean;
  readonly json?: string;
  readonly save?: string;
  readonly half?: boolean;
  readonly ensemble?: Ensemble;
  readonly adapter?: string;
}

/** One pass over the cases. */
interface Pass {
  readonly level: number | "all";
  readonly title: string;
  /** Where the images go, one a case. */
  readonly images: readonly string[];
}

export function addEvaluate(program: Command): void {
  addCommand(program, "evaluate", "measure PSNR, SSIM and other metrics of a network on a test set")
    .requiredOption("--data <path>", "the folder of the test set, or a .csv file with the columns hr,ref", pathArgument)
    .option("--weights <file>", "other weights than the package's, .pth or .safetensors", pathArgument)
    .addOption(new Option("--protocol <name>", "how the files are laid out and prepared").choices(PROTOCOLS))
    .option(
      "--level <number>",
      "which reference of each image: 1 (default) is most similar; each: one after another",
      level,
    )
    .option("--limit <number>", "only the first images", wholeNumber(1))
    .option("--raw-colours", "take the values in the files as they are, whatever their colour profiles say")
    .option("--json <file>", "also write all numbers to a file", pathArgument)
    .option(
      "--save <folder>",
      "also write the enlarged images, as PNG; existing files are never replaced",
      pathArgument,
    )
    .addOption(halfOption())
    .addOption(ensembleOption())
    .option("--adapter <name>", "part of the GPU adapter's name (default: the environment variable MASA_ADAPTER)")
    .addHelpText("after", EXAMPLES)
    .action(runCommand("evaluate", evaluateFiles, { shared: true }));
}

function level(text: string): number | "each" {
  return text === "each" ? text : wholeNumber(1)(text);
}

/** All files are looked at and all names checked before the GPU is asked for anything. */
async function evaluateFiles(signal: AbortSignal, options: Options): Promise<void> {
  const { readMasa, SHIPPED_WEIGHTS } = await import("../models/load.js");
  const { writeFileAtomic } = await import("../files/atomic.js");
  const team = await workforce();
  const { data, protocol } = await findCases(options);
  const passes = await planPasses(data, protocol, options);
  const network = await readMasa(options.weights ?? SHIPPED_WEIGHTS);
  const removeEmptyFolders = await team.together(() =>
    team.chief ? checkOutputs(data, passes, options) : () => Promise.resolve(),
  );
  try {
    await team.together(() => (team.chief ? checkImages(data, passes, signal) : undefined));
    const { adapter, results } = await run(network, data, passes, options, signal);
    if (options.json === undefined || !team.chief) return;
    const { weights = SHIPPED, data: path, half, ensemble } = options;
    const report = {
      adapter,
      weights,
      ...(half && { storage: "f16" }),
      ...(ensemble && { ensemble }),
      data: path,
      protocol,
      results,
    };
    await writeFileAtomic(options.json, new TextEncoder().encode(toJson(report)));
  } finally {
    await removeEmptyFolders();
  }
}

async function findCases({ data: path, protocol, limit }: Options): Promise<{ data: TestData; protocol: Protocol }> {
  const { findTestData } = await import("../data/layouts.js");
  const { layout, cases } = await findTestData(path);
  const found = PROTOCOLS.filter((name) => LAYOUTS[name] === layout);
  if (protocol !== undefined && !found.includes(protocol))
    throw new DataError(
      `${path} is laid out as ${layout}, not as ${LAYOUTS[protocol]}`,
      `Give --protocol ${found.join(" or ")}, or another folder`,
    );
  return { data: { layout, cases: cases.slice(0, limit) }, protocol: protocol ?? (found[0] as Protocol) };
}

/** Throws `UsageError` for a level where there is no choice, and `DataError` where images lack it. */
async function planPasses(data: TestData, protocol: Protocol, { level, save }: Options): Promise<Pass[]> {
  const { selectCases } = await import("../evaluate/evaluate.js");
  if (level !== undefined && !WITH_LEVELS.includes(protocol))
    throw new UsageError(`--level chooses a reference; the protocol ${protocol} leaves no choice`);
  const names = imageNames(data);
  const images = (...folder: string[]) => (save === undefined ? [] : names.map((name) => join(save, ...folder, name)));
  if (level === "each") {
    const count = Math.min(...data.cases.map(({ refs }) => refs.length));
    return Array.from({ length: count }, (_, i) => i + 1).map((level) => {
      const title = `level ${level}`;
      return { level, title, images: images(title.replace(" ", "-")) };
    });
  }
  const only = protocol === "cufed5-multi" ? "all" : (level ?? 1);
  selectCases(data, { level: only });
  return [{ level: only, title: "mean", images: images() }];
}

/** A PNG of its own for each case, named after its image. */
function imageNames({ cases }: TestData): string[] {
  const taken = new Set<string>();
  return cases.map(({ name }) => {
    const stem = basename(name, extname(name));
    let unique = stem;
    // Some file systems do not tell A from a.
    for (let i = 2; taken.has(unique.toLowerCase()); i++) unique = `${stem}-${i}`;
    taken.add(unique.toLowerCase());
    return `${unique}.png`;
  });
}

async function checkImages(data: TestData, passes: readonly Pass[], signal: AbortSignal): Promise<void> {
  const { checkCases } = await import("../data/check.js");
  const { selectCases } = await import("../evaluate/evaluate.js");
  const progress = new Progress();
  try {
    await checkCases(
      passes.flatMap(({ level }) => selectCases(data, { level }).cases),
      {
        stacked: passes.some(({ level }) => level === "all"),
        signal,
        onProgress: (done, total) => progress.update("checking", done, total),
      },
    );
  } finally {
    progress.stop();
  }
}

/**
 * Makes the folders for images and refuses what would replace something: images of an evaluation are named after those
 * of the data set, and so are those of every other network. Returns what removes the folders that stay empty.
 */
async function checkOutputs(data: TestData, passes: readonly Pass[], { weights, json, save }: Options) {
  const { checkTarget, makeFolder } = await import("../files/atomic.js");
  const images = passes.flatMap((pass) => pass.images);
  for (const path of images) {
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (exists) throw new OutputError(`${path} exists already`, "Give --save a folder that holds no images yet");
  }
  const made: string[] = [];
  const removeFolders = async () => {
    for (const folder of made.reverse()) await rmdir(folder).catch(() => {});
  };
  try {
    const folders = new Set([...(save === undefined ? [] : [save]), ...images.map((path) => dirname(path))]);
    for (const folder of folders) if (await makeFolder(folder)) made.push(folder);
    for (const folder of folders) await checkTarget(join(folder, "image.png"));
    if (json !== undefined)
      await checkReport(json, await checkTarget(json), data, [...(weights === undefined ? [] : [weights]), ...images]);
  } catch (error) {
    await removeFolders();
    throw error;
  }
  return removeFolders;
}

async function checkReport(json: string, target: string, { cases }: TestData, others: string[]): Promise<void> {
  for (const path of [...others, ...cases.flatMap(({ hr, refs }) => [hr, ...refs])]) {
    if ((await realpath(path).catch(() => resolve(path))) === target)
      throw new UsageError(`--json ${json} would replace ${path}; give it another name`);
  }
}

type ReadNetwork = Awaited<ReturnType<typeof import("../models/load.js").readMasa>>;

async function run(
  network: ReadNetwork,
  data: TestData,
  passes: readonly Pass[],
  options: Options,
  signal: AbortSignal,
) {
  const { writeImage } = await import("../files/images.js");
  const { evaluate } = await import("../evaluate/evaluate.js");
  const team = await workforce();
  const device = await openRankDevice(options.adapter);
  const nameWidth = Math.max(...["level 1", ...data.cases.map(({ name }) => name)].map(({ length }) => length));
  const line = (name: string, scores: Scores) => print(scoreLine(name.padEnd(nameWidth), scores));
  const makesFiles = options.json !== undefined || options.save !== undefined;
  const stop = makesFiles ? signal : AbortSignal.any([signal, unread()]);
  try {
    print(`adapter  ${device.info.name}`);
    print(`weights  ${options.weights ?? SHIPPED}`);
    if (options.half) print("storage  features in 16 bits");
    if (options.ensemble) print(`ensemble ${options.ensemble} orientations`);
    print(`data     ${options.data}: ${describe(data)}`);
    const masa = await network(device);
    const results: Evaluation[] = [];
    for (const { level, title, images } of passes) {
      if (passes.length > 1) print(title);
      showProgress(data, 0);
      const evaluation = await evaluate(device, masa, data, {
        level,
        colours: options.rawColours ? "raw" : "srgb",
        storage: options.half ? "f16" : "f32",
        ensemble: options.ensemble,
        ...{ workforce: team, signal: stop },
        onImage: (_, image, index) => (images[index] === undefined ? undefined : writeImage(images[index], image)),
        onCase: (result, done) => {
          refuseNaN(result, options.half);
          line(result.name, result);
          showProgress(data, done);
        },
      });
      results.push(evaluation);
      if (passes.length > 1) line("mean", evaluation.mean);
    }
    for (const row of meansTable(passes, results)) print(row);
    return { adapter: device.info.name, results };
  } finally {
    clearStatus();
    device.dispose();
  }
}

function describe({ layout, cases }: TestData): string {
  return `${cases.length} image${cases.length === 1 ? "" : "s"}, laid out as ${layout}`;
}

function refuseNaN({ name, psnr }: CaseResult, half = false): void {
  if (Number.isNaN(psnr))
    throw new GpuError(
      `${name}: the network's result has values that are infinite or NaN`,
      `Try ${half ? "without --half, or " : ""}an earlier checkpoint of these weights`,
    );
}

function scoreLine(name: string, { psnr, ssim, bicubicPsnr, bicubicSsim, similarity, milliseconds }: Scores): string {
  const quality = (psnr: number, ssim: number) => `${psnr.toFixed(2).padStart(5)} dB ${ssim.toFixed(4)}`;
  return [
    name,
    quality(psnr, ssim),
    `bicubic ${quality(bicubicPsnr, bicubicSsim)}`,
    `similarity ${similarity.toFixed(3)}`,
    formatDuration(milliseconds),
  ].join("  ");
}

/** Every metric: a row for each pass, and one for bicubic, which is the same in all. */
function meansTable(passes: readonly Pass[], results: readonly Evaluation[]): string[] {
  const rows = results.map(({ mean }, i) => {
    const { similarity, milliseconds } = mean;
    return [(passes[i] as Pass).title, ...scoreRow(mean), similarity.toFixed(3), formatDuration(milliseconds)];
  });
  const bicubic = ["bicubic", ...bicubicRow((results[0] as Evaluation).mean), "", ""];
  return table(["means", ...SCORE_COLUMNS, "similarity", "time"], [...rows, bicubic]);
}

function showProgress({ cases }: TestData, done: number): void {
  const filled = Math.round((BAR * done) / cases.length);
  const bar = "█".repeat(filled) + "░".repeat(BAR - filled);
  const next = cases[done];
  if (next) showStatus(`evaluating ${bar} ${done}/${cases.length} · ${next.name}`);
}

/** Numbers that JSON lacks are texts: equal images have a PSNR of "Infinity". */
function toJson(report: unknown): string {
  const finite = (_: string, value: unknown) =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  return `${JSON.stringify(report, finite, 1)}\n`;
}
