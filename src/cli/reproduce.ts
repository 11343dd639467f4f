/** `masa reproduce`: the paper's tables and figures, computed here. */
import { join } from "node:path";
import { Argument, type Command } from "commander";
import type { ExperimentName } from "../reproduce/experiments.js";
import {
  addCommand,
  clearStatus,
  formatDuration,
  pathArgument,
  print,
  runCommand,
  showStatus,
  wholeNumber,
} from "./command.js";
import { conditionsOf } from "./conditions.js";

const HELP: Readonly<Record<ExperimentName, string>> = {
  table2: "parameters and multiply-adds, counted from the graph; what is executed and moved",
  fig5: "multiply-adds over the sizes of blocks and windows and over the dilations",
  dense: "every patch with every other against coarse to fine: multiply-adds and time over growing images",
};

const EXAMPLES = `
Experiments (without one: all that need no data):
${Object.entries(HELP)
  .map(([name, help]) => `  ${name.padEnd(8)} ${help}`)
  .join("\n")}

Each writes NAME.json with every number, NAME.md with the paper's figures beside ours, and its charts as SVG; index.html
gathers all that the folder holds.

Examples:
  masa reproduce table2 --out paper
  masa reproduce --out paper
  masa reproduce dense --out paper --sizes 16,32,64,128,256
`;

const SIDES = [16, 32, 64, 128];

interface Options {
  readonly out: string;
  readonly sizes: readonly number[];
  readonly adapter?: string;
}

export function addReproduce(program: Command): void {
  addCommand(program, "reproduce", "compute the paper's tables and figures")
    .addArgument(new Argument("[experiment]", "which of them").choices(Object.keys(HELP)))
    .requiredOption("--out <folder>", "where the results go", pathArgument)
    .option("--sizes <list>", "dense: sides of LR and Ref↓ in pixels, multiples of 8", sidesArgument, SIDES)
    .option("--adapter <name>", "part of the GPU adapter's name (default: the environment variable MASA_ADAPTER)")
    .addHelpText("after", EXAMPLES)
    .action(runCommand("reproduce", reproduce));
}

function sidesArgument(text: string): number[] {
  return text.split(",").map(wholeNumber(8, 8));
}

async function reproduce(signal: AbortSignal, wanted: ExperimentName | undefined, options: Options): Promise<void> {
  const { out, sizes: sides, adapter } = options;
  const { checkTarget, makeFolder } = await import("../files/atomic.js");
  const { EXPERIMENTS } = await import("../reproduce/experiments.js");
  const { writeResult } = await import("../reproduce/write.js");
  const { openDevice } = await import("../platform/node.js");
  await makeFolder(out);
  await checkTarget(join(out, "index.html"));
  const names = wanted ? [wanted] : (Object.keys(EXPERIMENTS) as ExperimentName[]);
  const device = await openDevice({ adapter });
  try {
    print(`adapter  ${device.info.name}`);
    for (const name of names) {
      signal.throwIfAborted();
      const started = performance.now();
      const result = await EXPERIMENTS[name]({ device, signal, onStatus: showStatus, sides });
      await writeResult(out, result, conditionsOf(device.info.name));
      print(`${name.padEnd(8)} ${formatDuration(performance.now() - started)}, ${join(out, `${name}.md`)}`);
    }
    print(`all      ${join(out, "index.html")}`);
  } finally {
    clearStatus();
    device.close();
  }
}
