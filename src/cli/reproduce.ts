/** `masa reproduce`: the paper's tables and figures, computed here. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Argument, type Command, Option } from "commander";
import type { ExperimentName, Request } from "../reproduce/experiments.js";
import { PRESETS } from "../train/config.js";
import {
  addCommand,
  clearStatus,
  formatDuration,
  pathArgument,
  print,
  runCommand,
  SHIPPED,
  showStatus,
  UsageError,
  wholeNumber,
} from "./command.js";
import { conditionsOf } from "./conditions.js";
import { openRankDevice, workforce } from "./ranks.js";
import { table } from "./table.js";

interface Options {
  readonly out: string;
  readonly data?: string;
  readonly weights?: string;
  readonly without?: string;
  readonly peers?: string;
  readonly limit?: number;
  readonly preset?: string;
  readonly steps?: number;
  readonly seeds?: readonly number[];
  readonly sizes?: readonly number[];
  readonly adapter?: string;
}

interface Help {
  readonly what: string;
  readonly takes: readonly (keyof Options)[];
  /** Without data there is nothing to do. */
  readonly wantsData?: true;
  /** Its tables also go to the terminal. */
  readonly prints?: true;
  /** Under mpirun the ranks divide the work; the others are for rank 0. */
  readonly divides?: true;
}

const TRAINING = ["data", "preset", "steps", "seeds"] as const;
/** The folder of trained networks within that of the results. */
const NETWORKS = "networks";

const EXPERIMENTS: Readonly<Record<ExperimentName, Help>> = {
  table1: {
    what: "PSNR and SSIM on CUFED5, Sun80 and Urban100, as many as --data holds",
    takes: ["data", "weights", "limit"],
    divides: true,
    wantsData: true,
  },
  table2: { what: "parameters and multiply-adds, counted from the graph; what is executed and moved", takes: [] },
  table3: {
    what: "no adaptation, AdaIN, SPADE, SAM: parameters; with --data, trained alike",
    takes: TRAINING,
    divides: true,
  },
  table4: {
    what: "aggregation, models 1 to 4: parameters; with --data, trained alike",
    takes: TRAINING,
    divides: true,
  },
  fig5: {
    what: "sizes of blocks and windows, dilations: multiply-adds; with --data, PSNR",
    takes: ["data", "weights", "limit"],
    divides: true,
  },
  fig6: {
    what: "references of another luminance, with and without SAM: PSNR",
    takes: TRAINING,
    divides: true,
    wantsData: true,
  },
  levels: {
    what: "references of falling similarity: PSNR",
    takes: ["data", "weights", "without", "limit"],
    divides: true,
    wantsData: true,
    prints: true,
  },
  targets: {
    what: "good, turned, scaled, unrelated and missing references: all metrics, and the figures that networks are judged by",
    takes: ["data", "weights", "peers", "limit"],
    divides: true,
    wantsData: true,
    prints: true,
  },
  dense: { what: "every patch with every other against coarse to fine: multiply-adds and time", takes: ["sizes"] },
};
const NAMES = Object.keys(EXPERIMENTS) as ExperimentName[];

/** What runs where none is named: what needs nothing and trains nothing. */
const PLAIN: readonly ExperimentName[] = ["table2", "fig5", "dense"];
const SIDES = [16, 32, 64, 128];
const PRESET = "tiny";

const EXAMPLES = `
Experiments (${PLAIN.join(", ")} unless one is named):
${Object.entries(EXPERIMENTS)
  .map(([name, { what, takes }]) => `  ${name.padEnd(7)} ${what}${takes.map((option) => ` --${option}`).join("")}`)
  .join("\n")}

Each writes NAME.json with every number, NAME.md with the paper's figures beside ours, and its charts as SVG; index.html
gathers all that the folder holds. Networks are trained in folders of their own there, networks/spade-0 for SPADE with
seed 0 and so on: who stops and asks again goes on where it stopped, and more --steps or --seeds add to what is trained.

Examples:
  masa reproduce --out paper
  masa reproduce dense --out paper --sizes 16,32,64,128,256
  masa reproduce table1 --data DIR --weights masa_rec.pth --out paper      DIR has CUFED5, Sun80, Urban100 or some of them
  masa reproduce fig5 --data CUFED5 --limit 8 --out paper
  masa reproduce levels --data CUFED5 --out paper
  masa reproduce targets --data CUFED5 --weights runs/a/checkpoints/best.safetensors --out paper
  masa reproduce table3 --data pairs --steps 500 --seeds 0,1 --out paper   then fig6, with the same networks
`;

export function addReproduce(program: Command): void {
  addCommand(program, "reproduce", "compute the paper's tables and figures")
    .addArgument(new Argument("[experiment]", "which of them").choices(NAMES))
    .requiredOption("--out <folder>", "where the results go", pathArgument)
    .option(
      "--data <path>",
      "test sets (table1, fig5, levels, targets), or training pairs (table3, table4, fig6)",
      pathArgument,
    )
    .option(
      "--weights <file>",
      "table1, fig5, levels, targets: other weights than the package's, .pth or .safetensors",
      pathArgument,
    )
    .option(
      "--without <file>",
      "levels: weights of a network trained with --use-reference false, to compare",
      pathArgument,
    )
    .option(
      "--peers <file>",
      "targets: also the margin over other networks, from a file of npm run bench:quality -- --json",
      pathArgument,
    )
    .option("--limit <number>", "table1, fig5, levels, targets: only the first images", wholeNumber(1))
    .addOption(
      new Option("--preset <name>", `table3, table4, fig6: the network (default: ${PRESET})`).choices(
        Object.keys(PRESETS),
      ),
    )
    .option("--steps <number>", "table3, table4, fig6: steps of each network (default: the preset's)", wholeNumber(1))
    .option("--seeds <list>", "table3, table4, fig6: each network is trained with each of them (default: 0)", seeds)
    .option("--sizes <list>", `dense: sides of LR and Ref↓ in pixels, multiples of 8 (default: ${SIDES})`, sides)
    .option("--adapter <name>", "part of the GPU adapter's name (default: the environment variable MASA_ADAPTER)")
    .addHelpText("after", EXAMPLES)
    .action(runCommand("reproduce", reproduce, { shared: true }));
}

function seeds(text: string): number[] {
  return [...new Set(text.split(",").map(wholeNumber(0)))];
}

function sides(text: string): number[] {
  return text.split(",").map(wholeNumber(8, 8));
}

async function reproduce(signal: AbortSignal, wanted: ExperimentName | undefined, options: Options): Promise<void> {
  const { out } = options;
  const names = wanted ? [wanted] : PLAIN;
  checkOptions(names, options);
  const { checkTarget, makeFolder } = await import("../files/atomic.js");
  const { EXPERIMENTS: run } = await import("../reproduce/experiments.js");
  const { writeResult } = await import("../reproduce/write.js");
  const { SHIPPED_WEIGHTS } = await import("../models/load.js");
  const team = await workforce();
  await team.together(async () => {
    if (!team.chief) return;
    await makeFolder(out);
    await checkTarget(join(out, "index.html"));
  });
  const device = await openRankDevice(options.adapter);
  const request: Omit<Request, "data"> & { readonly data: string } = {
    ...{
      device,
      workforce: team,
      signal,
      onStatus: showStatus,
      networks: join(out, NETWORKS),
      sides: options.sizes ?? SIDES,
    },
    weights: { path: options.weights ?? SHIPPED_WEIGHTS, name: options.weights ?? SHIPPED },
    ...{ without: options.without, peers: options.peers },
    ...{ limit: options.limit, preset: options.preset ?? PRESET, steps: options.steps, seeds: options.seeds ?? [0] },
    // Who wants data has them: see `checkOptions`.
    data: options.data as string,
  };
  try {
    print(`adapter  ${device.info.name}`);
    for (const name of names) {
      signal.throwIfAborted();
      const started = performance.now();
      // What cannot be divided is for one.
      const result = team.chief || EXPERIMENTS[name].divides ? await run[name](request) : undefined;
      await team.together(async () => {
        if (result && team.chief) await writeResult(out, result, conditionsOf(device.info.name));
      });
      if (result && EXPERIMENTS[name].prints)
        for (const { title, columns, rows } of result.tables)
          for (const line of [title, ...table(columns, rows)]) print(line);
      print(`${name.padEnd(8)} ${formatDuration(performance.now() - started)}, ${join(out, `${name}.md`)}`);
    }
    print(`all      ${join(out, "index.html")}`);
  } finally {
    clearStatus();
    device.dispose();
  }
}

/** Refuses options that none of the experiments takes, and data that are missing. */
function checkOptions(names: readonly ExperimentName[], options: Options): void {
  const common: readonly string[] = ["out", "adapter"];
  const taken: readonly string[] = names.flatMap((name) => EXPERIMENTS[name].takes);
  const excess = Object.keys(options).find((option) => !common.includes(option) && !taken.includes(option));
  const which = names.length === 1 ? names[0] : `none of ${names.join(", ")}`;
  if (excess !== undefined)
    throw new UsageError(`${which} takes ${names.length === 1 ? "no" : "the option"} --${excess}; leave it away`);
  for (const name of names) {
    const { wantsData, takes } = EXPERIMENTS[name];
    if (options.data !== undefined) continue;
    const folder = join(options.out, NETWORKS);
    if (wantsData) throw new UsageError(`${name} wants --data: it has nothing to measure without`);
    if (options.weights !== undefined || options.limit !== undefined)
      throw new UsageError(`${name} measures with --weights and --limit only where it is given --data`);
    if (takes === TRAINING && existsSync(folder))
      throw new UsageError(`${folder} holds trained networks; give their --data again, or another --out`);
  }
}
