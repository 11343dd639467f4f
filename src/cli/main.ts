#!/usr/bin/env node
/** The `masa` command: reads the command line and hands over to the subcommand's file. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { adviseForCommandLine } from "../errors.js";
import { pacePolling } from "../platform/polling.js";
import { addConformance } from "./conformance.js";
import { addDemo } from "./demo.js";
import { addDoctor } from "./doctor.js";
import { addEvaluate } from "./evaluate.js";
import { addExplain } from "./explain.js";
import { addExport } from "./export.js";
import { addPairs } from "./pairs.js";
import { addReproduce } from "./reproduce.js";
import { addTrain } from "./train.js";
import { addTune } from "./tune.js";
import { addUpscale } from "./upscale.js";

const EXAMPLES = `
Examples:
  masa upscale --lr small.png --ref sharp.png --out large.png
  masa demo                      the same on a bundled pair of photographs
  masa train --preset tiny --data pairs --out run    trains a network; 'masa pairs' makes pairs of any photographs
  masa evaluate --data CUFED5 --weights run/checkpoints/best.safetensors
  masa explain --lr small.png --ref sharp.png --out why      pictures of what was matched, and why
  masa conformance test/golden   compares every operation here with the official PyTorch code
  masa tune                      finds the fastest variants of the kernels on this adapter
  masa doctor                    what this machine can run, and what to do where it cannot

'masa help <command>' has more examples. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated.
`;

function createProgram(): Command {
  const manifest = new URL("../../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  const program = new Command("masa")
    .description("Reference-based image super-resolution (MASA-SR) on WebGPU: upscale, train, evaluate.")
    .version(version)
    .option("--debug", "print the stack trace of an error")
    .addHelpText("after", EXAMPLES)
    .showHelpAfterError("Run 'masa --help' for the commands and options.")
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "masa: ")) })
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  const use = [addUpscale, addDemo, addPairs, addTrain, addEvaluate, addExplain, addExport];
  for (const add of [...use, addConformance, addReproduce, addDoctor, addTune]) add(program);
  return program;
}

// Who closes the pipe (`masa … | head -1`) gives up the report, not the job: that goes on and ends with its own code. A
// report that is lost otherwise, on a full disk, is a failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE" || process.exitCode === 1) return;
  process.exitCode = 1;
  process.stderr.write(`masa: cannot write to standard output: ${error.message}\n`);
});
// Where messages are not taken, nothing can be said about it.
process.stderr.on("error", () => {});

adviseForCommandLine();
pacePolling();
try {
  const program = createProgram();
  // commander prints the whole help for 'masa help <unknown>'; as a command of its own, the name gets a suggestion.
  const [first, topic] = process.argv.slice(2);
  const isTypo = first === "help" && topic && ![...program.commands.map((one) => one.name()), "help"].includes(topic);
  await (isTypo ? program.parseAsync([topic], { from: "user" }) : program.parseAsync());
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode !== 0) process.exitCode = 2;
}
