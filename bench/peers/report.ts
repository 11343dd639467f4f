/** What the times mean: one table of all rows, for a terminal and for a document. */
import { cpus } from "node:os";
import { number, table } from "../../src/cli/table.js";
import { compareRounds, median, type Comparison as Ratio } from "../statistics.js";
import type { ColdStart } from "./cold.js";
import type { Contestant, RowResult } from "./compare.js";
import { type Machine, NO_AUTODIFF } from "./serve.js";

export const FORMAT = "masa-webgpu peers 1";

export interface PeersReport {
  readonly format: typeof FORMAT;
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  readonly node: string;
  readonly rounds: number;
  /** Names and versions; ours has none. */
  readonly contestants: readonly (Pick<Contestant, "name" | "role"> & { readonly version?: string | undefined })[];
  /** FLOP per second of our multiply-add loops, the better of two. */
  readonly ceiling: number | undefined;
  readonly rows: readonly RowResult[];
  readonly cold?: ColdStart | undefined;
}

/** FLOP per second in the best round of the ceilings that were measured. */
export function ceilingOf(ceilings: readonly RowResult[]): number | undefined {
  const rates = ceilings.flatMap(({ flops, outcomes }) =>
    Object.values(outcomes).flatMap(({ wall }) => wall.map((time) => (1e3 * flops) / time)),
  );
  return rates.length > 0 ? Math.max(...rates) : undefined;
}

/** The fastest peer of a row beside ours, by the clock or by CPU time: above 1, ours is faster. */
export interface Best {
  readonly name: string;
  readonly times: Ratio;
}

export function bestPeer({ contestants }: PeersReport, { outcomes }: RowResult, by: "wall" | "cpu"): Best | undefined {
  const times = ({ name }: { readonly name: string }) => outcomes[name]?.[by] ?? [];
  const [ours] = contestants.filter(({ role }) => role === "ours").map(times);
  const peers = contestants.filter((one) => one.role === "peer" && times(one).length > 0);
  const [best] = peers.sort((a, b) => median(times(a)) - median(times(b)));
  return best && ours?.length ? { name: best.name, times: compareRounds(times(best), ours) } : undefined;
}

/** The contestant whose cells tell how far ours has come. */
export const NAIVE = "naive";
const LONGEST_CELL = 16;

/** The table's titles, its rows, and what did not fit into them. */
export function tableOf(report: PeersReport): { titles: string[]; rows: string[][]; notes: string[] } {
  const { contestants, machine, rows, cold } = report;
  const notes: string[] = [];
  const cell = (row: RowResult, name: string): string => {
    const outcome = row.outcomes[name];
    if (!outcome) return "–";
    const { failure = "not run", wall, cpu } = outcome;
    if (wall.length > 0) {
      const figures = [median(wall), row.flops / median(wall) / 1e6, median(cpu)].map(number).join(" · ");
      const ours = row.outcomes.ours?.wall ?? [];
      return name === NAIVE && ours.length > 0 ? `${figures} (${number(compareRounds(wall, ours).ratio)} ×)` : figures;
    }
    if (failure.length <= LONGEST_CELL || failure === NO_AUTODIFF) return failure;
    const note = `${name}: ${failure}`;
    if (!notes.includes(note)) notes.push(note);
    return `failed ${notes.indexOf(note) + 1})`;
  };
  const best = (row: RowResult, by: "wall" | "cpu"): string => {
    const found = bestPeer(report, row, by);
    return found ? `${found.name} ${ratio(found.times)}` : "–";
  };
  const titles = ["work", ...contestants.map(({ name }) => name), "best peer ÷ ours"];
  if (machine.software) titles.push("by CPU time");
  titles.push("ceiling", "target");
  const lines = rows.map((row) => {
    const cells = contestants.map(({ name }) => cell(row, name));
    const ratios = machine.software ? [best(row, "wall"), best(row, "cpu")] : [best(row, "wall")];
    return [row.name, ...cells, ...ratios, share(report, row), row.target ?? "–"];
  });
  if (cold) lines.push(coldRow(cold, titles.length, notes));
  return { titles, rows: lines, notes: notes.map((note, i) => `${i + 1}) ${note}`) };
}

/** `3.21 (2.90–3.60)` */
function ratio({ ratio, low, high }: Ratio): string {
  return `${number(ratio)} (${number(low)}–${number(high)})`;
}

/** Ours of the ceiling; not where memory is the bound. */
function share({ ceiling, contestants }: PeersReport, { operation, flops, outcomes }: RowResult): string {
  const wall = outcomes[contestants[0]?.name ?? ""]?.wall ?? [];
  if (ceiling === undefined || wall.length === 0 || operation === "instance_norm") return "–";
  return `${((1e5 * flops) / median(wall) / ceiling).toFixed(0)} %`;
}

function coldRow({ name, target = "–", wall, cpu, failure }: ColdStart, columns: number, notes: string[]): string[] {
  if (failure !== undefined) notes.push(failure);
  const cell = wall.length > 0 ? `${number(median(wall))} · – · ${number(median(cpu))}` : `failed ${notes.length})`;
  return [name, cell, ...Array<string>(columns - 3).fill("–"), target];
}

/** What heads the table. */
export function heading({ command, machine, date, node, rounds, contestants, ceiling }: PeersReport): string[] {
  const versions = contestants.flatMap(({ name, version }) => (version ? [`${name} ${version}`] : []));
  const where = `${machine.name}${machine.software ? `, in software on ${cpus().length} cores` : ""}`;
  const roof = ceiling === undefined ? "" : ` · ceiling ${number(ceiling / 1e9)} GFLOP/s by our multiply-add loop`;
  return [
    `\`${command}\` · ${where} · ${date.slice(0, 10)} · Node ${node} · rounds: ${rounds}, fewer of what takes long${roof}`,
    `${versions.join(", ") || "no peers"}. Cells: median ms · GFLOP/s · ms of CPU time. Ratios of rounds: median (range); above 1 ours is faster.`,
  ];
}

/** For a terminal. */
export function textLines(report: PeersReport): string[] {
  const { titles, rows, notes } = tableOf(report);
  return [...heading(report), ...table(titles, rows), ...notes];
}

/** For a document. */
export function markdown(report: PeersReport): string {
  const { titles, rows, notes } = tableOf(report);
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = titles.map((_, i) => (i === 0 || i === titles.length - 1 ? "---" : "---:"));
  const lines = [...heading(report), "", line(titles), line(rule), ...rows.map(line)];
  if (notes.length > 0) lines.push("", ...notes);
  return `${lines.join("\n")}\n`;
}
