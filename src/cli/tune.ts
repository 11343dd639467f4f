/** `masa tune`: finds the fastest variants of the kernels on this machine's adapter. */
import { type Command, Option } from "commander";
import type { Device } from "../gpu/device.js";
import type { PlanChoice } from "../graph/plan/plan.js";
import type { Tuned } from "../graph/tune/tune.js";
import { DEFAULT_PRESET, PRESETS, type TrainChanges, trainConfig } from "../train/config.js";
import {
  addCommand,
  formatDuration,
  halfOption,
  type ImageSize,
  imageSize,
  pathArgument,
  print,
  runCommand,
  UsageError,
  wholeNumber,
} from "./command.js";
import { number, table } from "./table.js";
import { asUsage } from "./train.js";
import { tuneAndKeep } from "./tuning.js";

const HELP = `
Most kernels have several variants that compute the same: with larger or smaller tiles, through workgroup memory or
through registers. Which is the fastest depends on the GPU, its driver and the size of the images. This command runs the
variants of every operation that a network needs, at the sizes you give, checks their results, and keeps the fastest.
From then on all commands take them on this adapter; a new driver or a new version of masa-webgpu is tuned anew.

Variants differ in the order in which they add, so that results differ in their last bits. A training run records its
variants in its checkpoints and goes on with them. MASA_TUNING=off in the environment leaves all that is kept aside.

Whatever was found before the end of the time, or Ctrl-C, is kept; the same command then goes on with the rest.

Examples:
  masa tune                                    enlarging 80×80 with a reference of 320×320, as 'masa demo' does
  masa tune --lr 320x480 --ref 1280x1920       enlarging images of height 320 and width 480
  masa tune --train --preset small             a training step; 'masa train --tune 60' does this for just that run
  masa tune --list                             what is kept for this adapter
  masa tune --clear                            forgets it
`;

interface Options {
  readonly lr?: ImageSize;
  readonly ref?: ImageSize;
  readonly weights?: string;
  readonly half?: boolean;
  readonly train?: boolean;
  readonly preset?: string;
  readonly size?: number;
  readonly batch?: number;
  readonly microBatch?: number;
  readonly budget: number;
  readonly list?: boolean;
  readonly clear?: boolean;
  readonly adapter?: string;
}

export function addTune(program: Command): void {
  addCommand(program, "tune", "find the fastest variants of the kernels on this adapter")
    .option("--lr <HxW>", "height and width of the low-resolution image (default: 80x80)", imageSize)
    .option("--ref <HxW>", "height and width of the reference (default: four times --lr)", imageSize)
    .option("--weights <file>", "other weights than the package's: their network is tuned", pathArgument)
    .addOption(halfOption())
    .option("--train", "tune a training step instead")
    .addOption(
      new Option("--preset <name>", `what to train (default: ${DEFAULT_PRESET})`).choices(Object.keys(PRESETS)),
    )
    .option("--size <pixels>", "side of the training images (default: the preset's)", wholeNumber(32, 32))
    .option("--batch <number>", "pairs in a step (default: the preset's)", wholeNumber(1))
    .option("--micro-batch <number>", "pairs that the GPU takes at once (default: the preset's)", wholeNumber(1))
    .option("--budget <seconds>", "how long to search", wholeNumber(1), 120)
    .option("--list", "print what is kept for this adapter, and do nothing")
    .option("--clear", "forget what is kept for this adapter, and do nothing")
    .option("--adapter <name>", "part of the GPU adapter's name (default: the environment variable MASA_ADAPTER)")
    .addHelpText("after", HELP)
    .action(runCommand("tune", (signal, options: Options) => tuneAdapter(options, signal).catch(asUsage)));
}

async function tuneAdapter(options: Options, signal: AbortSignal): Promise<void> {
  checkOptions(options);
  const { openDevice } = await import("../platform/node.js");
  const { checkTarget, makeFolder } = await import("../files/atomic.js");
  const { tuningPlace } = await import("../platform/tuning.js");
  const { dirname } = await import("node:path");
  const { path } = tuningPlace();
  const device = await openDevice({ adapter: options.adapter, tuning: true });
  try {
    print(`adapter: ${device.info.name}, ${device.info.description}`);
    if (options.list) return list(device, path);
    if (options.clear) return await clear(device, path);
    await makeFolder(dirname(path));
    await checkTarget(path);
    signal.throwIfAborted();
    const asked = options.train ? await stepOf(device, options) : await upscaleOf(device, options);
    const tuned = await tuneAndKeep(device, asked, options.budget, signal);
    report(device, asked, tuned);
    if (tuned.length > 0) print(`kept in ${path}`);
    signal.throwIfAborted();
  } finally {
    device.dispose();
  }
}

/** Refuses options that have no meaning for what is tuned. */
function checkOptions({ train = false, lr, ref, weights, half, preset, size, batch, microBatch }: Options): void {
  const training = { "--preset": preset, "--size": size, "--batch": batch, "--micro-batch": microBatch };
  const strange = Object.entries(train ? { "--lr": lr, "--ref": ref, "--weights": weights, "--half": half } : training);
  const [option] = strange.find(([, value]) => value !== undefined) ?? [];
  if (option) throw new UsageError(train ? `${option} belongs to no training` : `${option} belongs to --train`);
}

/** What enlarging an image of these sizes chooses. */
async function upscaleOf(
  device: Device,
  { lr = [80, 80], ref = [4 * lr[0], 4 * lr[1]], weights, half }: Options,
): Promise<readonly PlanChoice[]> {
  const { createImage } = await import("../image/image.js");
  const { upscaleChoices } = await import("../upscale/run.js");
  const { readMasa, SHIPPED_WEIGHTS } = await import("../models/load.js");
  const network = await readMasa(weights ?? SHIPPED_WEIGHTS);
  const wide = ([height, width]: ImageSize) => `${width}×${height}`;
  print(`enlarging ${wide(lr)} with a reference of ${wide(ref)}`);
  const image = ([height, width]: ImageSize) => createImage(width, height, 3, 8);
  return upscaleChoices(device, await network(device), { lr: image(lr), refs: [image(ref)] }, half ? "f16" : "f32");
}

/** What a training step chooses. */
async function stepOf(device: Device, { preset = DEFAULT_PRESET, size, batch, microBatch }: Options) {
  const { stepChoices } = await import("../train/choices.js");
  const given = Object.entries({ size, batch, microBatch }).filter(([, value]) => value !== undefined);
  // Neither is read.
  const files = { data: ".", vgg: "." };
  const config = trainConfig({ preset, ...files, ...Object.fromEntries(given) } as TrainChanges);
  print(`a training step of the preset ${preset}: batches of ${config.batch} with sides of ${config.size}`);
  return stepChoices(device, config);
}

async function clear(device: Device, path: string): Promise<void> {
  const { clearChoices } = await import("../platform/tuning.js");
  await clearChoices(device);
  print(`forgotten in ${path}`);
}

function list({ choices }: Device, path: string): void {
  for (const [key, variant] of choices) print(`${key.padEnd(56)} ${variant}`);
  print(choices.size > 0 ? `${choices.size} choices in ${path}` : "nothing is kept for it");
}

const COLUMNS = ["operation", "uses", "default", "chosen", "gain", "others"] as const;

/** The measured choices as a table, and what they come to. */
function report(device: Device, asked: readonly PlanChoice[], tuned: readonly Tuned[]): void {
  const measured = tuned.filter(({ times }) => times.size > 0);
  if (measured.length > 0) for (const line of table(COLUMNS, measured.map(row))) print(line);
  for (const { failed } of tuned) for (const message of failed.values()) print(`not used: ${message}`);
  if (measured.length > 0) print(total(measured, device.info.software));
  const keys = new Set(asked.map(({ key }) => key));
  const left = [...keys].filter((key) => !device.choices.has(key)).length;
  if (left > 0) print(`${left} of ${keys.size} choices are left; the same command goes on with them`);
  else if (tuned.length === 0) print("all choices were made before; --clear forgets them");
}

function row({ key, count, times, chosen }: Tuned): string[] {
  const [[usual, before], ...others] = [...times] as [[string, number], ...[string, number][]];
  const after = times.get(chosen) as number;
  const time = ([name, milliseconds]: readonly [string, number]) => `${name} ${number(milliseconds)} ms`;
  const gain = chosen === usual ? ["", ""] : [time([chosen, after]), `${(100 * (1 - after / before)).toFixed(0)} %`];
  const rest = others.filter(([name]) => name !== chosen).map(time);
  return [key, String(count), time([usual, before]), ...gain, rest.join(", ")];
}

function total(measured: readonly Tuned[], software: boolean): string {
  const sum = (time: (tuned: Tuned) => number) => measured.reduce((all, tuned) => all + tuned.count * time(tuned), 0);
  const before = sum(({ times }) => [...times.values()][0] as number);
  const after = sum(({ times, chosen }) => times.get(chosen) as number);
  const clock = software ? " of the CPU's work" : "";
  const gain = `${(100 * (1 - after / before)).toFixed(1)} % less`;
  return `together ${formatDuration(after)}${clock}, with the defaults ${formatDuration(before)}: ${gain}`;
}
