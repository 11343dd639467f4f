#!/usr/bin/env node
/** The `masa` command: reads the command line and hands over to the subcommand's file. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { addConformance } from "./conformance.js";
import { addDemo } from "./demo.js";
import { addDoctor } from "./doctor.js";
import { addPairs } from "./pairs.js";
import { addUpscale } from "./upscale.js";

const EXAMPLES = `
Examples:
  masa upscale --lr small.png --ref sharp.png --out large.png --weights masa_rec.pth
  masa demo                      the same on a bundled pair of photographs
  masa conformance test/golden   compares every operation here with the official PyTorch code
  masa doctor                    what this machine can run, and what to do where it cannot

'masa help <command>' has more examples. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
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
  for (const add of [addUpscale, addDemo, addConformance, addPairs, addDoctor]) add(program);
  return program;
}

/** A closed pipe (`masa … | head -1`) is the reader's choice, not a failure. */
function endQuietlyOnClosedPipe(stream: NodeJS.WriteStream): void {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
}

endQuietlyOnClosedPipe(process.stdout);
endQuietlyOnClosedPipe(process.stderr);
try {
  await createProgram().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
