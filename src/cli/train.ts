/** `masa train`: from a folder of image pairs to a network. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { formatBytes } from "../gpu/errors.js";
import type { Profiler } from "../gpu/profiler.js";
import {
  ConfigError,
  DEFAULT_PRESET,
  OFFICIAL,
  PRESETS,
  readConfigFile,
  readValue,
  TRAIN_OPTIONS,
  type TrainChanges,
  type TrainKey,
  trainConfig,
} from "../train/config.js";
import type { StepEvent, TrainEvents, ValidationEvent } from "../train/run.js";
import { addCommand, Progress, pathArgument, runCommand, UsageError } from "./command.js";
import { Countdown } from "./countdown.js";
import { addProfileOption, PROFILE_HELP, type ProfileOption, reportProfile } from "./profile.js";
import { isReporting, openRankDevice, ranks, trainingTeam } from "./ranks.js";
import { tuneFirst, tuneOption } from "./tuning.js";

const EXAMPLES = `
Presets (${DEFAULT_PRESET} unless another is given; options and the config file change single values):
${Object.entries(PRESETS)
  .map(([name, { help }]) => `  ${name.padEnd(9)} ${help}`)
  .join("\n")}

The data is a folder with train/input/NAME.png and train/ref/NAME.png (CUFED), input and ref, or a pairs.csv with the
columns hr,ref. 'masa pairs' cuts such pairs out of any photographs. The run's folder gets config.json, checkpoints,
metrics.jsonl, tensorboard/ and samples/, pictures of what the network makes of the validation cases.

Ctrl-C finishes the step and saves; --resume goes on from there, with the same bits as without the stop. Every checkpoint
serves 'masa upscale --weights' and 'masa evaluate --weights'. A config file has the options' names in camel case:
  { "preset": "small", "data": "pairs", "batch": 4, "clip": 1 }

Examples:
  masa pairs --photos ~/Pictures --out pairs
  masa train --preset tiny --data pairs --out runs/tiny --steps 500       minutes on a CPU
  masa train --data CUFED --out runs/rec                                  the official MASA-rec
  masa train --preset masa --data CUFED --out runs/gan --init runs/rec/checkpoints/best.safetensors --vgg vgg19-dcbb9e9d.pth
  masa train --out runs/rec --resume
`;

/** Steps before those that are profiled, and their number. */
const WARM_UP = 2;
const PROFILED = 3;

interface Options extends Partial<Record<TrainKey, unknown>> {
  readonly out: string;
  readonly config?: string;
  readonly preset?: string;
  readonly resume?: boolean;
  readonly adapter?: string;
  readonly profile?: ProfileOption;
  readonly tune?: number;
}

export function addTrain(program: Command): void {
  const command = addCommand(program, "train", "train a network on pairs of images")
    .requiredOption("--out <folder>", "the run's folder", pathArgument)
    .addOption(new Option("--preset <name>", "what to train").choices(Object.keys(PRESETS)))
    .option("--config <file>", "JSON with any of the options below", pathArgument)
    .option("--resume", "go on from the newest checkpoint of the run in --out")
    .option("--adapter <name>", "part of the GPU adapter's name (default: the environment variable MASA_ADAPTER)");
  for (const [key, { argument, help }] of Object.entries(TRAIN_OPTIONS)) {
    const value = (OFFICIAL as Readonly<Record<string, unknown>>)[key];
    const official = value === null || value === undefined ? "" : ` (${value})`;
    command.option(`--${kebab(key)} <${argument}>`, help + official, (text) => checked(key, text));
  }
  addProfileOption(command, `steps ${WARM_UP + 1} to ${WARM_UP + PROFILED}`);
  tuneOption(command);
  const action = (signal: AbortSignal, options: Options) => trainFiles(signal, options).catch(asUsage);
  command.addHelpText("after", EXAMPLES + PROFILE_HELP).action(runCommand("train", action, { shared: true }));
}

/** A configuration that cannot be meant is wrong usage, whether it stands on the command line or in a file. */
export function asUsage(error: unknown): never {
  throw error instanceof ConfigError ? new UsageError(error.message, { cause: error }) : error;
}

function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Throws `InvalidArgumentError`. `none` stays a word: an option without a value is an empty text to Commander. */
function checked(key: string, text: string): unknown {
  try {
    return readValue(key, text) ?? text;
  } catch (fault) {
    throw new InvalidArgumentError((fault as Error).message);
  }
}

async function trainFiles(signal: AbortSignal, options: Options): Promise<void> {
  const { out, config: file, resume = false, adapter, profile, tune, ...given } = options;
  const { train } = await import("../train/run.js");
  const { stepChoices } = await import("../train/choices.js");
  const { checkTarget } = await import("../files/atomic.js");
  const { Profiler } = await import("../gpu/profiler.js");
  const changes = { ...(file !== undefined && (await readConfigFile(file))), ...given };
  // What cannot be meant is told before a GPU is opened. A run that goes on has the rest of its configuration.
  const config = resume ? undefined : trainConfig(changes);
  if (typeof profile === "string") await checkTarget(profile);
  const device = await openRankDevice(adapter);
  const display = new Display();
  try {
    display.say(`adapter: ${device.info.name}`);
    // The other ranks take what rank 0 has found.
    if (tune && config) {
      if (isReporting()) await tuneFirst(device, stepChoices(device, config), tune, signal);
    } else if (tune) display.say("a run that goes on keeps the variants that it began with: nothing is tuned");
    const steps = profile && new StepProfile(await Profiler.create(device), profile, display);
    const { size = 1, version } = ranks() ?? {};
    if (size > 1) display.say(`ranks: ${size}, ${version}`);
    const { step, stopped, skipped, best, checkpoint } = await train(device, {
      ...{ out, config: changes as TrainChanges, resume, signal, team: await trainingTeam() },
      ...display.events,
      ...(steps && { profiler: () => steps.next() }),
    });
    display.stop();
    if (steps) await steps.report();
    if (skipped > 0) display.say(`${skipped} steps were skipped: they had no finite gradient`);
    if (best) display.say(`best: ${best.psnr.toFixed(2)} dB at step ${best.step}, ${out}/checkpoints/best.safetensors`);
    display.say(`${stopped ? "stopped" : "done"} at step ${step}, ${checkpoint}`);
    if (stopped) display.say(`Go on with: masa train --out ${out} --resume`);
    signal.throwIfAborted();
  } finally {
    display.stop();
    device.dispose();
  }
}

/** Profiles a few steps, once the first ones have made the driver compile what it has put off. */
class StepProfile {
  #begun = 0;
  #reported = false;

  constructor(
    readonly profiler: Profiler,
    readonly option: ProfileOption,
    readonly display: Display,
  ) {}

  /** The profiler of the step that begins. */
  async next(): Promise<Profiler | undefined> {
    const step = this.#begun++;
    if (step === WARM_UP + PROFILED) await this.report();
    return step >= WARM_UP && step < WARM_UP + PROFILED ? this.profiler : undefined;
  }

  /** Does nothing the second time. */
  async report(): Promise<void> {
    if (this.#reported) return;
    this.#reported = true;
    this.display.stop();
    await reportProfile(this.profiler, this.option, "step", Math.min(PROFILED, this.#begun - WARM_UP));
  }
}

/** What a run tells: its report on stdout, and how far it is on stderr. */
class Display {
  readonly #checking = new Progress();
  readonly #bar = new Countdown("step");

  readonly events: TrainEvents = {
    onMessage: (text) => this.say(text),
    onCheck: (done, total) => this.#checking.update("checking", done, total),
    onStep: (event) => this.#step(event),
    onValidation: (event) => this.#validation(event),
  };

  /** A line of the report. */
  say(text: string): void {
    this.stop();
    process.stdout.write(`${text}\n`);
  }

  stop(): void {
    this.#checking.stop();
    this.#bar.stop();
  }

  #step({ step, steps, epoch, losses, imagesPerSecond, gpuBytes, skipped }: StepEvent): void {
    if (skipped !== undefined) this.say(`step ${step} is skipped: ${skipped} is infinite or NaN`);
    const shown = Object.keys(losses).length === 2 ? { rec: losses.rec ?? losses.total } : losses;
    const values = Object.entries(shown).map(([name, loss]) => `${name} ${Number(loss).toPrecision(3)}`);
    this.#bar.update(step, steps, [
      `epoch ${epoch}`,
      ...values,
      `${imagesPerSecond.toPrecision(2)} images/s`,
      formatBytes(gpuBytes),
    ]);
  }

  #validation({ step, mean, best, sheet }: ValidationEvent): void {
    const { psnr, ssim, bicubicPsnr, bicubicSsim } = mean;
    const scores = `PSNR-Y ${psnr.toFixed(2)} dB, SSIM-Y ${ssim.toFixed(4)}`;
    const bicubic = `(bicubic ${bicubicPsnr.toFixed(2)} dB, ${bicubicSsim.toFixed(4)})`;
    this.say(`step ${step}: ${scores} ${bicubic}${best ? ", the best so far" : ""}${sheet ? ` · ${sheet}` : ""}`);
  }
}
