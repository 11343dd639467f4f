/** `masa conformance`: golden cases on this machine's adapter. */
import type { Command } from "commander";
import type { CaseResult, RunCases } from "../conformance/run.js";
import { addCommand, pathArgument, print, runCommand, showStatus, UsageError, unread } from "./command.js";

const EXAMPLES = `
A set of golden cases is a folder with manifest.json and the files it names. Each line shows the case, the
tensor whose error comes closest to its tolerance, that error and the tolerance; exit code 1 if a case fails.

Examples:
  masa conformance test/golden                       all cases of the repository's own set
  masa conformance test/golden --filter conv2d       those whose part/name contains 'conv2d'
  masa conformance test/golden --filter ops/ --json report.json
`;

interface Options {
  readonly filter?: string;
  readonly json?: string;
  readonly list?: true;
}

export function addConformance(program: Command): void {
  addCommand(program, "conformance", "compare this adapter's results with golden cases of the official code")
    .argument("<folder>", "the set of golden cases", pathArgument)
    .option("--filter <text>", "only cases whose part/name contains the text")
    .option("--json <file>", "also write every comparison to a file", pathArgument)
    .option("--list", "print the cases instead of running them")
    .addHelpText("after", EXAMPLES)
    .action(runCommand("conformance", conformance));
}

async function conformance(signal: AbortSignal, folder: string, { filter = "", json, list }: Options): Promise<void> {
  const { GoldenSet } = await import("../conformance/manifest.js");
  const set = GoldenSet.open(folder);
  const cases = set.cases.filter(({ part, name }) => `${part}/${name}`.includes(filter));
  if (cases.length === 0)
    throw new UsageError(filter ? `${folder} has no case '${filter}'; --list prints them` : `${folder} has no cases`);
  if (list) {
    for (const { part, name } of cases) print(`${part}/${name}`);
    return;
  }
  set.checkFiles(cases);
  const { checkTarget, writeFileAtomic } = await import("../files/atomic.js");
  if (json !== undefined) await checkTarget(json);

  const { runCases } = await import("../conformance/run.js");
  const { caseLine, resultsJson, totalLine } = await import("../conformance/report.js");
  const { openDevice } = await import("../platform/node.js");
  const width = Math.max(...cases.map(({ name }) => name.length));
  let adapter = "";
  const results = await runCases(set, cases, {
    signal: json === undefined ? AbortSignal.any([signal, unread()]) : signal,
    open: async () => {
      // Golden cases try the defaults, whatever `masa tune` found here.
      const device = await openDevice({ tuning: false });
      adapter = device.info.name;
      return device;
    },
    onStep: showStep(cases.length),
    onResult: (result: CaseResult) => print(caseLine(result, width)),
  });
  if (json !== undefined) await writeFileAtomic(json, new TextEncoder().encode(resultsJson(folder, adapter, results)));
  print(totalLine(results));
  if (results.some(({ passed }) => !passed)) process.exitCode = 1;
}

/** Shows on a terminal what is running now; long cases take minutes on a software adapter. */
function showStep(count: number): NonNullable<RunCases["onStep"]> {
  return (i, { name }, step) => showStatus(`${i + 1}/${count} ${name}${step ? `: ${step}` : ""}`);
}
