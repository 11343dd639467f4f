/** What the measured times mean: the figures, the table of a run, its JSON, and the comparison of two runs. */
import { readFile } from "node:fs/promises";
import { number } from "../src/cli/table.js";
import type { Device } from "../src/gpu/device.js";
import { formatBytes } from "../src/gpu/errors.js";
import type { Result } from "./harness.js";
import { leastTime, ROOFLINE, type Roofline } from "./roofline.js";
import { compareTimes, median } from "./statistics.js";

export interface Report {
  readonly format: typeof FORMAT;
  readonly date: string;
  readonly adapter: string;
  readonly architecture: string;
  readonly software: boolean;
  readonly node: string;
  readonly rounds: number;
  /** Undefined where its cases failed. */
  readonly roofline: Roofline | undefined;
  readonly results: readonly Result[];
}

const FORMAT = "masa-webgpu bench 1";

export function makeReport({ info }: Device, rounds: number, results: readonly Result[]): Report {
  const { name, architecture, software } = info;
  const machine = { adapter: name, architecture, software, node: process.version };
  return { format: FORMAT, date: new Date().toISOString(), ...machine, rounds, roofline: roofs(results), results };
}

/** The times that count: the GPU's own where it tells them, which leaves encoding and waiting out. */
export function times({ wall, gpu }: Result): readonly number[] {
  return gpu?.length && Math.min(...gpu) > 0 ? gpu : wall;
}

function roofs(results: readonly Result[]): Roofline | undefined {
  const rates = results
    .filter((result) => result.name.startsWith(ROOFLINE) && times(result).length > 0)
    .map((result) => ({ ...result, seconds: Math.min(...times(result)) / 1e3 }));
  const flopsPerSecond = Math.max(0, ...rates.map(({ flops, seconds }) => flops / seconds));
  const bytesPerSecond = Math.max(0, ...rates.map(({ bytes, seconds }) => bytes / seconds));
  return flopsPerSecond > 0 && bytesPerSecond > 0 ? { flopsPerSecond, bytesPerSecond } : undefined;
}

export interface Figures {
  readonly min: number;
  readonly median: number;
  /** Of the best round, per second. */
  readonly gflops: number;
  readonly gbytes: number;
  /** Best time that the roofline allows ÷ best time, and which roof that is. */
  readonly attained: number | undefined;
  readonly bound: "memory" | "arithmetic" | undefined;
  /** GFLOP per second of CPU time of this process: steadier than the clock where the GPU is the CPU. */
  readonly gflopPerCpuSecond: number;
  /** Milliseconds of encoding in the best round. */
  readonly encode: number | undefined;
}

/** The figures of a result that has times. */
export function figures(result: Result, roofline: Roofline | undefined): Figures {
  const min = Math.min(...times(result));
  const least = roofline && leastTime(result, roofline);
  return {
    ...{ min, median: median(times(result)), attained: least && least.ms / min, bound: least?.bound },
    ...{ gflops: result.flops / min / 1e6, gbytes: result.bytes / min / 1e6 },
    gflopPerCpuSecond: result.flops / Math.min(...result.cpu) / 1e6,
    encode: result.encode && Math.min(...result.encode),
  };
}

export const COLUMNS = [
  "case",
  "min ms",
  "median",
  "clock ms",
  "rate",
  "roofline",
  "GFLOP/CPU-s",
  "memory",
  "dispatches",
  "encode µs",
  "shaders",
] as const;

/** The table's rows as text, in the order of `COLUMNS`. */
export function rows({ results, roofline }: Report): string[][] {
  return results.map((result) => {
    if (result.failure !== undefined) return [result.name, `failed: ${result.failure}`];
    const { min, median, gflops, gbytes, attained, bound, gflopPerCpuSecond, encode } = figures(result, roofline);
    const dispatches = Object.values(result.shaders).reduce((sum, count) => sum + count, 0);
    const isMemory = bound === "memory" || result.flops === 0;
    return [
      result.name,
      number(min),
      number(median),
      number(Math.min(...result.wall)),
      isMemory ? `${number(gbytes)} GB/s` : `${number(gflops)} GFLOP/s`,
      attained === undefined ? "–" : `${(100 * attained).toFixed(0)} % ${bound === "memory" ? "mem" : "fma"}`,
      result.flops === 0 || !Number.isFinite(gflopPerCpuSecond) ? "–" : number(gflopPerCpuSecond),
      formatBytes(result.memory),
      String(dispatches),
      encode === undefined ? "–" : number((1e3 * encode) / dispatches),
      shaderNames(result),
    ];
  });
}

/** The variant that was chosen shows in the names of its shaders. */
function shaderNames({ shaders }: Result): string {
  const names = Object.entries(shaders).map(([name, count]) => (count === 1 ? name : `${count}× ${name}`));
  return names.length <= 3 ? names.join(", ") : `${names.length} shaders`;
}

/** What heads the table: where and how the times were taken. */
export function heading({ adapter, date, rounds, roofline, results }: Report): string {
  const clock = results.some(({ gpu }) => gpu) ? "GPU timestamps" : "clock";
  const roofs = roofline
    ? `roofline ${number(roofline.flopsPerSecond / 1e9)} GFLOP/s, ${number(roofline.bytesPerSecond / 1e9)} GB/s`
    : "no roofline";
  return `${adapter} · ${date.slice(0, 10)} · ${rounds} rounds, ${clock} · ${roofs}`;
}

/** Reads a report that `--json` wrote. Throws an error that says what is wrong with the file. */
export async function readReport(path: string): Promise<Report> {
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new Error(`${path} cannot be read: ${cause.message}`, { cause });
  });
  let report: Report | undefined;
  try {
    report = JSON.parse(text) as Report;
  } catch {}
  if (report?.format !== FORMAT)
    throw new Error(`${path} is no report of this bench; make one with --json on the version to compare with`);
  return report;
}

export const COMPARISON_COLUMNS = ["case", "before", "now", "ratio", "from", "to", "verdict"] as const;

/** The rows of a comparison, for the cases that both runs have times of. */
export function comparisonRows(before: Report, now: Report): string[][] {
  return now.results.flatMap((result) => {
    const old = before.results.find(({ name }) => name === result.name);
    if (!old?.wall.length || !result.wall.length) return [];
    // Times of one kind: the GPU's only if both runs have them.
    const both = times(old) === old.gpu && times(result) === result.gpu;
    const [then, today] = both ? [times(old), times(result)] : [old.wall, result.wall];
    const { ratio, low, high, verdict } = compareTimes(then, today);
    return [
      [
        result.name,
        `${number(median(then))} ms`,
        `${number(median(today))} ms`,
        ...[ratio, low, high].map(number),
        verdict,
      ],
    ];
  });
}
