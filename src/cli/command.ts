/**
 * What every subcommand shares: how it starts, ends and fails, how it shows progress, how it writes numbers.
 *
 * Exit codes: 0 done, 1 the job failed, 2 wrong usage, 130 interrupted, 143 terminated.
 *
 * A subcommand's file exports `add<Name>(program)`. It loads what needs Dawn inside its action (`await import(…)`), so
 * that `--help` is instant and `doctor` works where Dawn does not load.
 */
import { Presets, SingleBar } from "cli-progress";
import { Command, InvalidArgumentError, Option } from "commander";
import { OutputError } from "../files/errors.js";
import { isReporting, joinRanks } from "./ranks.js";

/** The user asked for something that cannot be meant; exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What interrupts a job: Ctrl-C, and what ends a machine or a container. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGUSR2: 140 } as const;
type Signal = keyof typeof EXIT_CODES;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** Open MPI's mpirun kills its ranks a second after Ctrl-C or SIGTERM, but passes this one on: it leaves time to save. */
const RANK_SIGNAL = "SIGUSR2";

class Interruption extends Error {
  constructor(readonly signal: Signal) {
    super(`interrupted by ${signal}`);
  }
}

/** A new subcommand of `program`; its usage errors begin with `masa <name>:`. */
export function addCommand(program: Command, name: string, description: string): Command {
  const command = program
    .command(name)
    .description(description)
    .allowExcessArguments()
    .showHelpAfterError(`Run 'masa ${name} --help' for its arguments and options.`);
  return command.configureOutput({
    outputError: (text, write) => {
      const more = furtherMistakes(command, text).map((mistake) => `masa ${name}: ${mistake}\n`);
      write(text.replace(/^error: /, `masa ${name}: `) + more.join(""));
    },
  });
}

/** What else is wrong with a command line that commander refuses for the first mistake, `text`, alone. */
function furtherMistakes(command: Command, text: string): string[] {
  const given = process.argv.slice(2);
  const end = given.indexOf("--");
  const flags = given
    .slice(0, end < 0 ? undefined : end)
    .filter((argument) => argument.startsWith("--"))
    .map((argument) => argument.split("=", 1)[0] as string);
  const known = [...command.options, ...(command.parent?.options ?? [])].map(({ long }) => long);
  const unknown = flags.filter((flag) => flag !== "--help" && !known.includes(flag));
  const missing = command.options.filter(({ mandatory, long }) => mandatory && !flags.includes(long as string));
  return [
    ...unknown.map((flag) => `unknown option '${flag}'`),
    ...missing.map((option) => `required option '${option.flags}' not specified`),
  ].filter((mistake) => !text.includes(mistake));
}

/** Reads an argument that names a file or folder. Where the name is missing stands nothing, or the next option. */
export function pathArgument(text: string): string {
  if (text === "" || text.startsWith("--"))
    throw new InvalidArgumentError("Give a name there; one that begins with dashes as ./--name.");
  return text;
}

/** What a report calls the weights that are used where none are given. */
export const SHIPPED = "those of the package, of the preset small; others with --weights";

/** For commands that enlarge images. */
export function halfOption(): Option {
  return new Option("--half", "store features in 16 bits: half the GPU memory; the adapter must have shader-f16");
}

/** For commands that enlarge images. */
export function memoryOption(): Option {
  return new Option(
    "--memory <size>",
    "GPU memory for an image, as 512MiB or 2GiB; larger images are computed in windows (default: 1 to 4 GiB by adapter)",
  ).argParser(memorySize);
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

function memorySize(text: string): number {
  const [, number = "", unit = ""] = /^([0-9]+(?:\.[0-9]+)?)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  const bytes = Number(number) * (UNITS[unit.toLowerCase()] as number);
  if (!(bytes >= 2 ** 20)) throw new InvalidArgumentError("Give at least 1MiB, as 512MiB or 2GiB.");
  return Math.floor(bytes);
}

/** For commands that enlarge images. */
export function ensembleOption(): Option {
  return new Option(
    "--ensemble <number>",
    "average over 4 or 8 flipped and transposed orientations: a little better, 4 or 8 times the work",
  )
    .choices(["4", "8"])
    .argParser((text) => ensemble(text));
}

function ensemble(text: string): 4 | 8 {
  if (text !== "4" && text !== "8") throw new InvalidArgumentError("Allowed choices are 4, 8.");
  return text === "4" ? 4 : 8;
}

/** Reads one of several such arguments. */
export function pathArguments(text: string, before: readonly string[] = []): string[] {
  return [...before, pathArgument(text)];
}

/** Reads an argument that is a whole number of at least `least`, and a multiple of `of`. */
export function wholeNumber(least: number, of = 1): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least || value % of !== 0)
      throw new InvalidArgumentError(of === 1 ? `Give a whole number, ${least} or more.` : `Give a multiple of ${of}.`);
    return value;
  };
}

/** Reads a whole number from `least` to `most`. */
export function wholeBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
    return value;
  };
}

/** Reads a number above `above` and at most `most`. */
export function numberWithin(above: number, most: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (!(value > above && value <= most))
      throw new InvalidArgumentError(`Give a number above ${above}, at most ${most}.`);
    return value;
  };
}

/** Reads a share of a whole. */
export function share(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError("Give a number from 0 to 1.");
  return value;
}

/** Sides of an image, as network and matrices have them. */
export type ImageSize = readonly [height: number, width: number];

/** Reads "120x160". */
export function imageSize(text: string): ImageSize {
  const [, height, width] = /^([1-9]\d{0,4})[x×]([1-9]\d{0,4})$/.exec(text) ?? [];
  if (height === undefined) throw new InvalidArgumentError("Give height and width in pixels, as 120x160.");
  return [Number(height), Number(width)];
}

/**
 * Wraps what a subcommand does for commander's `.action()`. The action gets a signal that Ctrl-C or SIGTERM aborts, then
 * commander's arguments. It fails by throwing: the message goes to stderr, the stack only with `--debug`.
 * A second Ctrl-C ends the process at once. Under mpirun only a `shared` action runs; it divides its work over `ranks()`.
 */
export function runCommand<Args extends unknown[]>(
  name: string,
  action: (signal: AbortSignal, ...args: Args) => Promise<void>,
  { shared = false } = {},
): (...args: Args) => Promise<void> {
  return async (...args) => {
    const controller = new AbortController();
    let ranks: Awaited<ReturnType<typeof joinRanks>>;
    const interrupt = (signal: Signal) => {
      ranks?.checkMembers();
      if (controller.signal.aborted) process.exit(EXIT_CODES[signal]);
      controller.abort(new Interruption(signal));
      if (isReporting())
        process.stderr.write(
          `\nmasa ${name}: stopping; ${ranks ? "repeat the signal" : "press Ctrl-C again"} to stop at once\n`,
        );
    };
    for (const signal of SIGNALS) process.on(signal, interrupt);
    try {
      refuseExcess(args.at(-1));
      ranks = await joinRanks(name, shared);
      if (ranks) process.on(RANK_SIGNAL, interrupt);
      await action(controller.signal, ...args);
      await ranks?.leave();
    } catch (error) {
      const say = (who: string) => report(who, error, controller.signal, isDebug(args.at(-1)));
      process.exitCode = exitCode(error, controller.signal);
      // What all ranks have in common, rank 0 says.
      if (isReporting()) say(name);
      await ranks?.leave(error, () => {
        if (!isReporting()) say(`${name}, rank ${ranks?.rank}`);
      });
    } finally {
      for (const signal of [...SIGNALS, RANK_SIGNAL]) process.off(signal, interrupt);
    }
  };
}

/** Commander's own refusal does not say which argument it means. */
function refuseExcess(command: unknown): void {
  if (!(command instanceof Command)) return;
  if (command.registeredArguments.at(-1)?.variadic) return;
  const extra = command.args[command.registeredArguments.length];
  if (extra !== undefined) throw new UsageError(unexpected(extra));
}

/** Says what an argument may be that belongs to no option. */
export function unexpected(argument: string): string {
  return `unexpected argument '${argument}'; put quotation marks around names that contain spaces, and name a folder instead of *`;
}

function isDebug(command: unknown): boolean {
  return command instanceof Command && command.optsWithGlobals().debug === true;
}

function exitCode(error: unknown, { aborted, reason }: AbortSignal): number {
  if (aborted) return EXIT_CODES[(reason as Interruption).signal];
  return error instanceof UsageError ? 2 : 1;
}

function report(name: string, error: unknown, { aborted }: AbortSignal, debug: boolean): void {
  const known = error instanceof Error ? error : new Error(String(error));
  if (aborted) {
    // What could not be saved on the way out is not to be hidden.
    const lost = error instanceof OutputError ? `, and ${error.message}` : "";
    process.stderr.write(`masa ${name}: interrupted${lost}\n`);
    return;
  }
  process.stderr.write(`masa ${name}: ${debug ? (known.stack ?? known.message) : known.message}\n`);
  for (let cause = known.cause; debug && cause instanceof Error; cause = cause.cause)
    process.stderr.write(`caused by: ${cause.stack}\n`);
  if (known instanceof UsageError) process.stderr.write(`Run 'masa ${name} --help' for its arguments and options.\n`);
}

/** Shows the stages of a long job on stderr with their times: a bar on a terminal, otherwise a line as each ends. */
export class Progress {
  #bar: SingleBar | undefined;
  #stage: string | undefined;
  #started = 0;

  /** `done` of `total` steps of `stage` are finished; a new name ends the stage before. */
  update(stage: string, done: number, total: number): void {
    if (!isReporting()) return;
    if (stage !== this.#stage) this.#begin(stage, total);
    this.#bar?.update(done);
  }

  #begin(stage: string, total: number): void {
    this.stop();
    this.#stage = stage;
    this.#started = performance.now();
    if (!process.stderr.isTTY) return;
    const format = `${stage.padEnd(12)} {bar} {percentage} % · {duration_formatted}`;
    this.#bar = new SingleBar(
      { format, barsize: 30, hideCursor: false, linewrap: true, stream: process.stderr },
      Presets.shades_classic,
    );
    this.#bar.start(total, 0);
  }

  /** Ends the current stage. */
  stop(): void {
    if (this.#stage === undefined) return;
    const time = formatDuration(performance.now() - this.#started);
    if (this.#bar) this.#bar.stop();
    else process.stderr.write(`${this.#stage.padEnd(12)} ${time}\n`);
    this.#bar = undefined;
    this.#stage = undefined;
  }
}

/** A line of the report, which begins where a status stood. */
export function print(line: string): void {
  clearStatus();
  process.stdout.write(`${line}\n`);
}

/** Shows on a terminal what is going on, in a line that the next status or `print` replaces. */
export function showStatus(text: string): void {
  if (!process.stderr.isTTY) return;
  clearStatus();
  process.stderr.write(text.slice(0, process.stderr.columns - 1));
}

export function clearStatus(): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
}

/** Aborts when nobody reads the report any more (`| head -1`), for jobs that make nothing else. */
export function unread(): AbortSignal {
  const closed = new AbortController();
  const reason = new Error("stopped, because nothing takes its output any more");
  process.stdout.once("error", () => closed.abort(reason));
  return closed.signal;
}

/** 340 → "340 ms", 1240 → "1.24 s", 125000 → "2 min 5 s". */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toPrecision(3)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
