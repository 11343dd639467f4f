#!/usr/bin/env node
/** `npm run bench:quality`: what other networks make of the same LR images, in the same metrics. */
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { pathArgument, print, SHIPPED, showStatus, UsageError, wholeNumber } from "../../src/cli/command.js";
import { findTestData, type TestData } from "../../src/data/layouts.js";
import { prepareCases } from "../../src/evaluate/evaluate.js";
import { checkTarget, writeFileAtomic } from "../../src/files/atomic.js";
import { writeImage } from "../../src/files/images.js";
import type { Image } from "../../src/image/image.js";
import { loadMasa } from "../../src/models/load.js";
import { openDevice } from "../../src/platform/node.js";
import { installedVersion, installPeers } from "../peers/install.js";
import { commandLine, described, runProgram, say } from "../program.js";
import { type Contestant, marginsOf, measureOurs, measurePeer, type Peer } from "./compare.js";
import { cropSheet, FORMAT, markdown, type QualityReport, RULE, textLines } from "./report.js";

const SCRIPT = "bench:quality";
const SIZES = ["slim", "medium", "thick"] as const;
type Size = (typeof SIZES)[number];
const FOLDER = fileURLToPath(new URL("../../../bench/quality/", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../../../examples/data/cufed5", import.meta.url));

interface Options {
  readonly data: string;
  readonly weights?: string;
  readonly levels?: readonly number[];
  readonly peers: readonly Size[];
  readonly limit?: number;
  readonly json?: string;
  readonly markdown?: string;
  readonly crops?: string;
  readonly show?: readonly string[];
}

const HELP = `
Peers:
  slim, medium, thick   UpscalerJS's ESRGAN models for ×4, which take no reference, on TensorFlow.js (WASM, on the CPU)
Their packages are dependencies of bench/quality/package.json, installed there when first needed.

All networks get the same LR images, made from the originals as in 'masa reproduce levels'. --crops writes a sheet.
${RULE}
`;

const program = described(new Command(`npm run ${SCRIPT} --`), SCRIPT)
  .description("Compares the quality of masa-webgpu's images with that of other networks.")
  .option(
    "--data <path>",
    "a test set laid out as CUFED5 (default: the bundled one of two images)",
    pathArgument,
    EXAMPLES,
  )
  .option("--weights <file>", "other weights than the package's, .pth or .safetensors", pathArgument)
  .option("--levels <list>", "levels of our references (default: the first and the last that all images have)", numbers)
  .option("--peers <names>", "only these, separated by commas; 'none' for ours alone", readPeers, SIZES)
  .option("--limit <number>", "only the first images", wholeNumber(1))
  .option("--json <file>", "also write all numbers to a file", pathArgument)
  .option("--markdown <file>", "also write the tables for a document", pathArgument)
  .option("--crops <file>", "also write a sheet of crops, PNG", pathArgument)
  .option("--show <names>", "crops from these images only, separated by commas", (text: string) => text.split(","))
  .addHelpText("after", HELP);

function numbers(text: string): number[] {
  return [...new Set(text.split(",").map(wholeNumber(1)))];
}

function readPeers(text: string): readonly Size[] {
  if (text === "none") return [];
  return text.split(",").map((name) => {
    const size = SIZES.find((size) => size === name);
    if (!size) throw new InvalidArgumentError(`Choose among ${SIZES.join(", ")}.`);
    return size;
  });
}

async function bench(options: Options, signal: AbortSignal): Promise<void> {
  const { peers, limit } = options;
  const data = await findTestData(options.data);
  const names = data.cases.slice(0, limit).map(({ name }) => name);
  const unknown = options.show?.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`--show ${unknown} is none of the images; there are ${names.join(", ")}`);
  const levels = options.levels ?? levelsOf(data);
  const files = [options.json, options.markdown, options.crops];
  for (const path of files) if (path !== undefined) await checkTarget(path);
  if (peers.length > 0) {
    const problem = await installPeers((text) => say(SCRIPT, text), FOLDER, "bench/quality, about 440 MB");
    if (problem !== undefined) throw new Error(`the peers are ${problem}; '--peers none' measures ours alone`);
  }
  using device = await openDevice();
  const masa = await loadMasa(device, options.weights);
  const contestants: Contestant[] = [];
  const subjects = await prepareCases(data, { level: levels[0], limit });
  for (const size of peers) contestants.push(await measureSize(size, subjects, signal));
  contestants.push(...(await measureOurs(device, masa, data, { levels, limit, signal, onStep: showStatus })));

  const report: QualityReport = {
    ...{ format: FORMAT, date: new Date().toISOString(), command: commandLine(SCRIPT), adapter: device.info.name },
    weights: options.weights ?? SHIPPED,
    packages: Object.fromEntries(packagesOf(peers).map((name) => [name, installedVersion(name, FOLDER) ?? ""])),
    cases: subjects.map(({ name, bicubicScores }) => ({ name, bicubicScores })),
    contestants: contestants.map(({ images: _, ...rest }) => rest),
    margins: marginsOf(contestants),
  };
  for (const line of textLines(report, contestants, subjects)) print(line);
  if (options.json !== undefined)
    await writeFileAtomic(options.json, Buffer.from(`${JSON.stringify(report, undefined, 1)}\n`));
  if (options.markdown !== undefined)
    await writeFileAtomic(options.markdown, Buffer.from(markdown(report, contestants, subjects)));
  if (options.crops !== undefined)
    await writeImage(options.crops, await cropSheet(contestants, subjects, options.show ?? names));
}

/** The first and the last level that all images have. */
function levelsOf({ cases }: TestData): number[] {
  return [...new Set([1, Math.min(...cases.map(({ refs }) => refs.length))])];
}

async function measureSize(size: Size, ...rest: [Parameters<typeof measurePeer>[1], AbortSignal]): Promise<Contestant> {
  const [subjects, signal] = rest;
  showStatus(`esrgan-${size}: loading`);
  const { load } = (await import(new URL("../../../bench/quality/esrgan.mjs", import.meta.url).href)) as {
    load(size: Size): Promise<{ parameters: number; enlarge(lr: Image): Promise<Uint8Array>; dispose(): void }>;
  };
  const model = await load(size);
  try {
    const peer: Peer = { name: `esrgan-${size}`, parameters: model.parameters, enlarge: model.enlarge };
    return await measurePeer(peer, subjects, { signal, onStep: showStatus });
  } finally {
    model.dispose();
  }
}

function packagesOf(peers: readonly Size[]): string[] {
  return peers.length === 0 ? [] : [...peers.map((size) => `@upscalerjs/esrgan-${size}`), "@tensorflow/tfjs"];
}

await runProgram(SCRIPT, program, bench);
