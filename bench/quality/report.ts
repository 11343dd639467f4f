/** The comparison for a terminal, for a document, and as a sheet of crops. */
import { table } from "../../src/cli/table.js";
import { bicubicRow, SCORE_COLUMNS, scoreRow } from "../../src/evaluate/scores.js";
import { comparisonSheet, type Panel } from "../../src/files/sheet.js";
import type { Image } from "../../src/image/image.js";
import { mostChanged, zoomed } from "../../src/image/zoom.js";
import { type Contestant, type Margin, marginsOf, type Subject, shownCases } from "./compare.js";

export const FORMAT = "masa-webgpu quality 1";

export interface QualityReport {
  readonly format: typeof FORMAT;
  readonly date: string;
  readonly command: string;
  readonly adapter: string;
  readonly weights: string;
  /** Packages of the peers with their versions. */
  readonly packages: Readonly<Record<string, string>>;
  readonly cases: readonly Omit<Subject, "original" | "bicubic">[];
  readonly contestants: readonly Omit<Contestant, "images">[];
  readonly margins: readonly Margin[];
}

interface Table {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The means of every network, and bicubic's. */
function scoresTable(contestants: readonly Contestant[], subjects: readonly Subject[]): Table {
  const rows = contestants.map(({ name, parameters, mean }) => [
    name,
    `${(parameters / 1e6).toFixed(2)} M`,
    ...scoreRow(mean),
  ]);
  const of = (score: keyof Subject["bicubicScores"]) =>
    subjects.reduce((sum, { bicubicScores }) => sum + bicubicScores[score], 0) / subjects.length;
  const bicubic = bicubicRow({
    bicubicPsnr: of("bicubicPsnr"),
    bicubicSsim: of("bicubicSsim"),
    bicubicPsnrRgb: of("bicubicPsnrRgb"),
    bicubicPsnrCbCr: of("bicubicPsnrCbCr"),
    bicubicGmsd: of("bicubicGmsd"),
    colourShareNeeded: of("colourShareNeeded"),
  });
  return { titles: ["network", "parameters", ...SCORE_COLUMNS], rows: [...rows, ["bicubic", "", ...bicubic]] };
}

/** PSNR-Y of each case: bicubic, the best peer, and what ours is above it. */
function marginsTable(
  contestants: readonly Contestant[],
  subjects: readonly Subject[],
  margins: readonly Margin[],
): Table {
  const ours = contestants.filter(({ role }) => role === "ours").map(({ name }) => name);
  const signed = (value: number) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
  const rows = margins.map(({ name, peer, peerPsnr, margins }, i) => {
    const bicubic = (subjects[i] as Subject).bicubicScores.bicubicPsnr.toFixed(2);
    return [name, bicubic, peerPsnr.toFixed(2), peer, ...margins.map(signed)];
  });
  return { titles: ["PSNR-Y", "bicubic", "best peer", "which", ...ours], rows };
}

function heading({ command, adapter, date, weights, packages, cases }: QualityReport): string[] {
  const versions = Object.entries(packages).map(([name, version]) => `${name} ${version}`);
  return [
    `\`${command}\` · ${adapter} · ${date.slice(0, 10)} · means over ${cases.length} images, PSNR in dB`,
    `Ours: ${weights}. ${versions.length > 0 ? `Peers: ${versions.join(", ")}.` : "No peers."}`,
  ];
}

/** For a terminal. */
export function textLines(
  report: QualityReport,
  contestants: readonly Contestant[],
  subjects: readonly Subject[],
): string[] {
  const [scores, margins] = tablesOf(report, contestants, subjects);
  const lines = [...heading(report), "", ...table(scores.titles, scores.rows)];
  return margins.rows.length === 0 ? lines : [...lines, "", ...table(margins.titles, margins.rows)];
}

/** For a document. */
export function markdown(
  report: QualityReport,
  contestants: readonly Contestant[],
  subjects: readonly Subject[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const lines = tablesOf(report, contestants, subjects)
    .filter(({ rows }) => rows.length > 0)
    .flatMap(({ titles, rows }) => [
      "",
      line(titles),
      line(titles.map((_, i) => (i === 0 ? "---" : "---:"))),
      ...rows.map(line),
    ]);
  return `${[...heading(report), ...lines].join("\n")}\n`;
}

function tablesOf(
  { margins }: QualityReport,
  contestants: readonly Contestant[],
  subjects: readonly Subject[],
): [Table, Table] {
  return [scoresTable(contestants, subjects), marginsTable(contestants, subjects, margins)];
}

/** What stands below the crops in a document. */
export const RULE =
  "Each row is the part in which bicubic differs most from the original, whatever the networks make of it: a quarter of the " +
  "width by a quarter of the height, each pixel four by four. The cases are those with the smallest, the median and the " +
  "largest margin of ours over the best peer. The numbers are the PSNR-Y of the whole image.";

/** A row for each shown case: bicubic, the peer that is best on average, ours with each level, the original. */
export function cropSheet(
  contestants: readonly Contestant[],
  subjects: readonly Subject[],
  allowed: readonly string[],
): Promise<Image> {
  const peers = contestants.filter(({ role }) => role === "peer");
  const best = peers.reduce<Contestant | undefined>((a, b) => (a && a.mean.psnr >= b.mean.psnr ? a : b), undefined);
  const columns = contestants.filter((one) => one.role === "ours" || one === best);
  const rows = shownCases(allowed, marginsOf(contestants)).map((name): Panel[] => {
    const i = subjects.findIndex((subject) => subject.name === name);
    const { original, bicubic, bicubicScores } = subjects[i] as Subject;
    const part = mostChanged(bicubic, original);
    const panel = (image: Image, caption: string) => ({ image: zoomed(image, part), caption });
    return [
      panel(bicubic, `bicubic, ${bicubicScores.bicubicPsnr.toFixed(2)} dB`),
      ...columns.map(({ name, images, cases }) =>
        panel(images[i] as Image, `${name}, ${cases[i]?.psnr.toFixed(2)} dB`),
      ),
      panel(original, `original, ${name}`),
    ];
  });
  return comparisonSheet(...rows);
}
