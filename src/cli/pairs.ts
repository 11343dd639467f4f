/** `masa pairs`: training pairs out of any folder of photographs. */
import type { Command } from "commander";
import {
  addCommand,
  formatDuration,
  Progress,
  pathArgument,
  runCommand,
  share,
  UsageError,
  wholeNumber,
} from "./command.js";

const EXAMPLES = `
A pair is an image and its reference. Half of the pairs are near: two views of the same part of a photograph, slightly
shifted, rotated, tilted and scaled, with other colours. The others teach the network what references are like in practice:

  --far    rotated by quarter turns (half of them) or by any angle, scaled by 1/2 to 2, or overlapping only in part
  --poor   half show another part of the same photograph, half a part of another photograph

--far 0 --poor 0 makes near pairs only. Blurred backgrounds are avoided. Photos are first shrunk to 1024 pixels, where they
are sharpest. Use varied, sharp photographs of at least twice the size of a pair; start with 100 of them.

The folder gets train/input/NNNNNN.png and train/ref/NNNNNN.png, the layout of CUFED, and train.csv, which lists how each
pair was cut. The same photographs and seed give the same files. Ctrl-C leaves complete pairs; the same command goes
on from there, and with a larger --count adds to them.

Examples:
  masa pairs --photos ~/Pictures --out pairs                 ten pairs of each photograph
  masa pairs --photos ~/Pictures --out pairs --count 12000   as many as CUFED has
`;

/** How many photographs that gave less are named. */
const NAMED = 10;

interface Options {
  readonly photos: string;
  readonly out: string;
  readonly count?: number;
  readonly seed: number;
  readonly size: number;
  readonly far: number;
  readonly poor: number;
}

export function addPairs(program: Command): void {
  addCommand(program, "pairs", "cut training pairs out of a folder of photographs")
    .requiredOption(
      "--photos <folder>",
      "the photographs (JPEG, PNG, WebP, TIFF, AVIF), in subfolders too",
      pathArgument,
    )
    .requiredOption("--out <folder>", "a new folder for the pairs, or one to be continued", pathArgument)
    .option("--count <number>", "pairs in all (default: ten for each photograph)", wholeNumber(1))
    .option("--seed <number>", "another seed gives other pairs", wholeNumber(0), 0)
    .option("--size <pixels>", "side of the images, a multiple of 32", wholeNumber(32, 32), 160)
    .option("--far <share>", "share of pairs that are rotated, scaled or shifted far", share, 0.28)
    .option("--poor <share>", "share of pairs whose reference shows something else", share, 0.22)
    .addHelpText("after", EXAMPLES)
    .action(runCommand("pairs", pairs));
}

async function pairs(signal: AbortSignal, options: Options): Promise<void> {
  const shares = { far: options.far, poor: options.poor };
  if (shares.far + shares.poor > 1)
    throw new UsageError(`--far ${shares.far} and --poor ${shares.poor} add up to more than 1; reduce one of them`);
  const { cutPairs } = await import("../data/cut.js");
  const progress = new Progress();
  const started = performance.now();
  try {
    const onProgress = (done: number, total: number) => progress.update("cutting", done, total);
    const { pairs, made, photos, poor, skipped } = await cutPairs({ ...options, shares, signal, onProgress });
    progress.stop();
    const time = formatDuration(performance.now() - started);
    process.stdout.write(
      `${options.out} holds ${pairs} pairs of ${options.size}×${options.size} from ${photos} photographs, ${made} of them new · ${time}\n`,
    );
    if (skipped.length > 0) {
      const listed = `${skipped.slice(0, NAMED).join(", ")}${skipped.length > NAMED ? ", …" : ""}`;
      process.stdout.write(`${skipped.length} in formats that are not read: ${listed}\n`);
    }
    if (poor.length === 0) return;
    process.stdout.write(`${poor.length} photographs gave fewer pairs than their share:\n`);
    for (const { photo, reason } of poor.slice(0, NAMED)) process.stdout.write(`  ${photo} ${reason}\n`);
    if (poor.length > NAMED) process.stdout.write(`  and ${poor.length - NAMED} more\n`);
  } finally {
    progress.stop();
  }
}
