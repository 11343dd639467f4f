#!/usr/bin/env node
/** `npm run bench`: times of the kernels, of the network and of a training step on this machine's adapter. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { pathArgument, print, showStatus, UsageError, wholeNumber } from "../src/cli/command.js";
import { table } from "../src/cli/table.js";
import { checkTarget, writeFileAtomic } from "../src/files/atomic.js";
import { openDevice } from "../src/platform/node.js";
import type { Case, Sides } from "./case.js";
import { chooseCases } from "./cases/index.js";
import { isUncached, printCold, runUncached } from "./cold.js";
import { measure } from "./harness.js";
import { renderHtml } from "./html.js";
import { compareKernels, KERNEL_COLUMNS, kernelRows, shadersOf } from "./kernel.js";
import { MEMORY_COLUMNS, memoryRows, memoryTexts } from "./memory.js";
import { benchPlatform } from "./platform.js";
import { described, runProgram } from "./program.js";
import {
  COLUMNS,
  COMPARISON_COLUMNS,
  comparisonRows,
  heading,
  makeReport,
  type Report,
  readReport,
  rows,
} from "./report.js";
import { rooflineCases } from "./roofline.js";
import { printScaling } from "./scaling.js";

const EXAMPLES = `
Examples:
  npm run bench -- --list                            every case; those marked * only run when --filter asks for them
  npm run bench -- --filter conv2d                   those whose name contains 'conv2d'
  npm run bench -- --filter "conv2d dx" --shapes 1,32,96,96
  npm run bench -- --filter matmul --json before.json
  npm run bench -- --filter matmul --compare before.json
  npm run bench -- --filter "conv2d forward" --kernel mine.wgsl --shader conv2d_implicit_gemm
  npm run bench -- --memory                          GPU memory of training and upscaling
  npm run bench -- --cold                            time until everything is compiled, in a process without caches
  npm run bench -- --scaling                         exponents of time over image areas and batch, by stage

Columns:
  min ms, median  of the rounds, by the GPU's timestamps where it has them, else by the clock
  clock ms        least time from encoding the first dispatch until the queue was empty
  rate            arithmetic or memory, whichever the roofline says bounds the case
  roofline        best time possible ÷ best time, below the roofs that our own multiply-add and copy kernels reach in
                  this very run; 'fma' and 'mem' say which roof it is. Above 100 % the roofs were disturbed: take more rounds
  GFLOP/CPU-s     per second of CPU time: on a software adapter the steadiest figure while others use the machine
  memory          GPU memory of the plan with its parameters
  encode µs       CPU time of a dispatch until it is submitted, where there are many: on Linux this thread's own time,
                  elsewhere the clock's
  shaders         show which variant was chosen
Before a time is taken, results are compared with the float64 reference at random places; the tiny and the small network
with the reference path of the matching, training steps by their loss, the official network only for finite values
('masa conformance' compares that). Exit code 1 if a result is wrong.

--kernel runs each case with both shaders side by side; bindings, Params and constants have to be the same. 'difference'
is the largest of any output, relative to the largest value.

A comparison gives the ratio of the medians, above 1 where this run is faster, and the range in which the rounds'
spread leaves it. It says 'no difference' where that range holds 1. Compare runs with equal roofline rows.
`;

interface Options {
  readonly filter?: string;
  readonly shapes?: readonly Sides[];
  readonly rounds: number;
  readonly list?: true;
  readonly memory?: true;
  readonly cold?: true;
  readonly scaling?: true;
  readonly json?: string;
  readonly compare?: string;
  readonly report?: string;
  readonly kernel?: string;
  readonly shader?: string;
}

const SCRIPT = "bench";
const program = described(new Command(`npm run ${SCRIPT} --`), SCRIPT)
  .description("Times MASA's operations at its own shapes, the whole network and a training step.")
  .option("--filter <text>", "only cases whose name contains the text; without it all that are not large")
  .option("--shapes <N,C,H,W>", "image tensor instead of MASA's own, for the operations that take one", readShapes)
  .option("--rounds <count>", "rounds; each runs every case once", wholeNumber(1), 7)
  .option("--json <file>", "also write the times to a file", pathArgument)
  .option("--compare <file>", "also compare with the times that --json wrote", pathArgument)
  .option("--report <file.html>", "also write table and roofline plot as a web page", pathArgument)
  .option(
    "--kernel <file.wgsl>",
    "compare a shader of your own with the built-in one, in the cases that use it",
    pathArgument,
  )
  .option("--shader <name>", "the built-in one, as shaders/<name>.wgsl; default the file's own name")
  .option("--list", "print the cases instead of running them")
  .option("--memory", "print instead what GPU memory the official network needs to train and to upscale; takes none")
  .option("--cold", "time instead what compiling all pipelines of the official training step takes, without caches")
  .option("--scaling", "fit instead how time grows with the areas of LR and Ref and with the batch")
  .addHelpText("after", EXAMPLES);

/** May be given several times. */
function readShapes(text: string, before: readonly Sides[] = []): readonly Sides[] {
  const sides = text.split(",").map(Number);
  if (sides.length !== 4 || !sides.every((side) => Number.isSafeInteger(side) && side > 0))
    throw new InvalidArgumentError("Give four whole numbers above 0, as 1,64,160,160.");
  return [...before, sides as unknown as Sides];
}

async function bench(options: Options, signal: AbortSignal): Promise<void> {
  const { filter, shapes, list, kernel, memory, cold, scaling } = options;
  if (memory) return await printMemory();
  if (cold) return await coldStart(signal);
  if (scaling) return await fitScaling(options.rounds, signal);
  if (options.shader !== undefined && kernel === undefined)
    throw new UsageError("--shader says which shader --kernel replaces; give that, too");
  const choose = () => chooseCases(list ? (filter ?? "") : filter, shapes);
  const cases = choose();
  if (cases.length === 0) throw new UsageError(`no case's name contains '${filter}'; --list prints them`);
  if (list) for (const { name, large } of cases) print(`${large ? "*" : " "} ${name}`);
  else if (kernel !== undefined) await compareKernel(kernel, choose, options, signal);
  else await measureCases(cases, options, signal);
}

async function printMemory(): Promise<void> {
  using device = await openDevice({}, benchPlatform());
  print(`${device.info.name} · planned, not taken`);
  for (const line of table(MEMORY_COLUMNS, memoryTexts(memoryRows(device)))) print(line);
}

async function coldStart(signal: AbortSignal): Promise<void> {
  if (!isUncached()) {
    process.exitCode = await runUncached();
    return;
  }
  using device = await openDevice({}, benchPlatform());
  await printCold(device, signal);
}

async function fitScaling(rounds: number, signal: AbortSignal): Promise<void> {
  using device = await openDevice({}, benchPlatform());
  await printScaling(device, { rounds, signal, onStep: showStatus });
}

async function measureCases(cases: readonly Case[], options: Options, signal: AbortSignal): Promise<void> {
  const { rounds, json, compare, report: page } = options;
  const before = compare === undefined ? undefined : await readReport(compare);
  for (const path of [json, page]) if (path !== undefined) await checkTarget(path);
  using device = await openDevice({ tuning: false }, benchPlatform());
  const all = [...rooflineCases(device), ...cases];
  const results = await measure(device, all, { rounds, signal, onStep: showStatus });
  const report = makeReport(device, rounds, results);
  print(heading(report));
  for (const line of table(COLUMNS, rows(report))) print(line);
  if (before) printComparison(before, report);
  if (json !== undefined) await writeFileAtomic(json, Buffer.from(`${JSON.stringify(report, undefined, 1)}\n`));
  if (page !== undefined) await writeFileAtomic(page, Buffer.from(renderHtml(report)));
  if (results.some(({ failure }) => failure !== undefined)) process.exitCode = 1;
}

async function compareKernel(path: string, choose: () => Case[], options: Options, signal: AbortSignal): Promise<void> {
  const { shader = basename(path, ".wgsl"), rounds } = options;
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new Error(`the shader ${path} cannot be read: ${cause.message}`, { cause });
  });
  using builtIn = await openDevice({ tuning: false }, benchPlatform());
  using own = await openDevice({ tuning: false }, { ...benchPlatform(new Map([[shader, text]])), warn: () => {} });
  const again = choose();
  const used = choose().map((subject, i) => ({ subject, i, shaders: shadersOf(builtIn, subject) }));
  const pairs = used
    .filter(({ shaders }) => shaders.includes(shader))
    .map(({ subject, i }) => [subject, again[i] as Case] as const);
  if (pairs.length === 0) {
    const others = [...new Set(used.flatMap(({ shaders }) => shaders))].sort();
    throw new UsageError(`no chosen case uses the shader '${shader}' on this adapter; they use ${others.join(", ")}`);
  }
  const results = await compareKernels(builtIn, own, pairs, { rounds, signal, onStep: showStatus });
  print(`${builtIn.info.name} · ${rounds} rounds · ${shader}.wgsl and ${path}`);
  for (const line of table(KERNEL_COLUMNS, kernelRows(results))) print(line);
}

function printComparison(before: Report, now: Report): void {
  if (before.adapter !== now.adapter)
    print(`\nThe times before are of another adapter, ${before.adapter}: this compares machines.`);
  print(`\ncompared with ${before.date}:`);
  for (const line of table(COMPARISON_COLUMNS, comparisonRows(before, now))) print(line);
}

await runProgram(SCRIPT, program, bench);
