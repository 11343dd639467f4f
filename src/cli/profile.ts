/** `--profile`: prints where the time of a run went, and writes it as a trace. */
import { type Command, Option } from "commander";
import { writeFileAtomic } from "../files/atomic.js";
import type { ProfiledDispatch, Profiler, Total } from "../gpu/profiler.js";
import { pathArgument, print } from "./command.js";
import { number, table } from "./table.js";

/** The trace's file; true where only the tables are wanted. */
export type ProfileOption = string | true;

export const PROFILE_HELP = `
--profile times each dispatch in a pass of its own, which makes the run slower. A rate is arithmetic, or, for kernels that
only move data, the size of all tensors bound. The file is a trace for chrome://tracing and ui.perfetto.dev.
`;

/** Adds the option; `what` says which part of the command is profiled. */
export function addProfileOption(command: Command, what: string): Command {
  const help = `print the time of each kernel in ${what}, and write a Chrome trace`;
  return command.addOption(new Option("--profile [file.json]", help).argParser(pathArgument));
}

/** Prints and writes what `profiler` has seen: `count` things, each called a `thing`. */
export async function reportProfile(profiler: Profiler, option: ProfileOption, thing = "run", count = 1) {
  const { dispatches, timestamps } = profiler;
  const sum = [...profiler.totals(() => "").values()][0];
  if (!sum) return print(`profile   nothing was profiled: there was no ${thing} to profile`);
  const share = (total: Total) => row(total, count, sum.ms);
  const clock = timestamps ? "GPU timestamps" : "the clock";
  print("");
  print(
    `profile   ${dispatches.length / count} dispatches, ${number(sum.ms / count)} ms a ${thing} by ${clock}, ${count} ${thing}${count > 1 ? "s" : ""}`,
  );
  print(`CPU       ${phases(profiler, count)}`);
  print("");
  const kernels = [...profiler.totals(({ shader }) => shader)].sort(([, a], [, b]) => b.ms - a.ms);
  for (const line of table(
    ["kernel", ...COLUMNS],
    kernels.map(([name, total]) => [name, ...share(total)]),
  ))
    print(line);
  print("");
  for (const line of table(["stage", ...COLUMNS], stageRows(profiler, sum.ms, share))) print(line);
  if (option === true) return;
  await writeFileAtomic(option, Buffer.from(JSON.stringify(profiler.trace())));
  print(`\nwrote ${option}, for chrome://tracing or ui.perfetto.dev`);
}

const COLUMNS = ["dispatches", "ms", "%", "rate"];
/** Kernels of a stage that take less of the whole are left out. */
const LEAST_SHARE = 0.01;

function row({ dispatches, ms, flops, bytes }: Total, count: number, whole: number): string[] {
  const rate = flops > 0 ? `${number(flops / ms / 1e6)} GFLOP/s` : `${number(bytes / ms / 1e6)} GB/s`;
  return [String(dispatches / count), number(ms / count), ((100 * ms) / whole).toFixed(1), ms > 0 ? rate : "–"];
}

/** Each stage, and below it the kernels that count. */
function stageRows(profiler: Profiler, whole: number, share: (total: Total) => string[]): string[][] {
  const stage = ({ scope }: ProfiledDispatch) => scope || "(no scope)";
  const kernels = [...profiler.totals((dispatch) => `${stage(dispatch)}\n${dispatch.shader}`)];
  return [...profiler.totals(stage)].flatMap(([name, total]) => [
    [name, ...share(total)],
    ...kernels
      .filter(([kernel, { ms }]) => kernel.startsWith(`${name}\n`) && ms >= LEAST_SHARE * whole)
      .sort(([, a], [, b]) => b.ms - a.ms)
      .map(([kernel, total]) => [`  ${kernel.slice(name.length + 1)}`, ...share(total)]),
  ]);
}

function phases({ phases }: Profiler, count: number): string {
  const sums = new Map<string, number>();
  for (const { name, begin, end } of phases) sums.set(name, (sums.get(name) ?? 0) + end - begin);
  return [...sums].map(([name, ms]) => `${name} ${number(ms / count)} ms`).join(" · ");
}
