/** The paper's table 1: PSNR and SSIM of a network on the test sets, by the official protocols, beside the paper's. */
import { join } from "node:path";
import { checkCases } from "../data/check.js";
import { DataError } from "../data/errors.js";
import { findTestData, type TestData } from "../data/layouts.js";
import type { Workforce } from "../data/workforce.js";
import { type Evaluation, evaluate } from "../evaluate/evaluate.js";
import type { Device } from "../gpu/device.js";
import type { Masa } from "../masa/masa.js";
import { lineChart } from "./chart.js";
import { TABLE1 } from "./paper.js";
import type { Figure, Result, Table } from "./result.js";

type SetName = keyof typeof TABLE1;

/** Where a data folder may hold each test set: below it, or itself. */
const PLACES: Readonly<Record<SetName, readonly string[]>> = {
  CUFED5: [".", "CUFED5", "CUFED", "CUFED/test/CUFED5"],
  Sun80: ["Sun80", "."],
  Urban100: ["Urban100", "."],
};

export interface TestSet {
  readonly name: SetName;
  readonly data: TestData;
}

export interface Table1Options {
  readonly sets: readonly TestSet[];
  /** Only the first images of each set. */
  readonly limit?: number | undefined;
  /** What the weights are called. */
  readonly weights: string;
  readonly workforce?: Workforce | undefined;
  readonly signal: AbortSignal;
  readonly onStatus: (status: string) => void;
}

/** The test sets that a folder holds, every file of them checked. Throws `DataError` where there is none. */
export async function findTestSets(folder: string, limit: number | undefined, signal: AbortSignal): Promise<TestSet[]> {
  const sets: TestSet[] = [];
  for (const [name, places] of Object.entries(PLACES) as [SetName, readonly string[]][]) {
    for (const place of places) {
      const data = await findTestData(join(folder, place)).catch((error: unknown) => {
        if (error instanceof DataError) return undefined;
        throw error;
      });
      // Images in a folder that holds another set are not Urban100.
      if (data?.layout !== name || (place === "." && name === "Urban100" && sets.length > 0)) continue;
      sets.push({ name, data });
      break;
    }
  }
  if (sets.length === 0)
    throw new DataError(`${folder} holds none of the paper's test sets`, "Looked for:", [
      "CUFED5, or test/CUFED5, with NNN_0.png and NNN_1.png …",
      "Sun80 with Sun_Hays_SR_groundtruth and Sun_Hays_SR_scenematches",
      "Urban100 with images",
    ]);
  for (const { name, data } of sets)
    await checkCases(data.cases.slice(0, limit), { signal, stacked: name === "CUFED5" });
  return sets;
}

interface Measured {
  readonly set: SetName;
  readonly protocol: string;
  /** Whether the paper's figures are by this protocol. */
  readonly official: boolean;
  readonly evaluation: Evaluation;
}

export async function table1(device: Device, masa: Masa, options: Table1Options): Promise<Result> {
  const measured: Measured[] = [];
  for (const set of options.sets) {
    for (const [protocol, level, official] of protocolsOf(set.name)) {
      const evaluation = await evaluate(device, masa, set.data, {
        ...{ level, limit: options.limit, workforce: options.workforce, signal: options.signal },
        onCase: (_, done, total) => options.onStatus(`${protocol} ${done}/${total}`),
      });
      measured.push({ set: set.name, protocol, official, evaluation });
    }
  }
  return {
    name: "table1",
    title: "Table 1: PSNR and SSIM on the paper's test sets",
    text: [
      `The weights are ${options.weights}. PSNR (dB) and SSIM are taken on Y of 8-bit images up to their border. CUFED5 is ` +
        "evaluated with all references of an image stacked, which is what the paper's figures are, and with the most similar " +
        "one alone. Of Sun80 the official code draws a reference at random; here it is the first. An image of Urban100 is its " +
        "own reference in low resolution.",
      ...(options.limit === undefined ? [] : [`Only the first ${options.limit} images of each set were evaluated.`]),
    ],
    tables: [table(measured)],
    figures: [figure(measured)],
    data: measured,
  };
}

function protocolsOf(name: SetName): readonly (readonly [protocol: string, level: 1 | "all", official: boolean])[] {
  if (name !== "CUFED5") return [[name, 1, true]];
  return [
    ["CUFED5, all references", "all", true],
    ["CUFED5, most similar reference", 1, false],
  ];
}

function table(measured: readonly Measured[]): Table {
  const pair = (psnr: number, ssim: number) => `${psnr.toFixed(2)} / ${ssim.toFixed(3)}`;
  return {
    title: "PSNR / SSIM",
    columns: ["", "images", "paper, MASA-rec", "paper, MASA", "ours", "bicubic"],
    rows: measured.map(({ set, protocol, official, evaluation: { cases, mean } }) => [
      protocol,
      String(cases.length),
      ...Object.values(TABLE1[set]).map(([psnr, ssim]) => (official ? pair(psnr, ssim) : "")),
      pair(mean.psnr, mean.ssim),
      pair(mean.bicubicPsnr, mean.bicubicSsim),
    ]),
  };
}

function figure(measured: readonly Measured[]): Figure {
  const official = measured.filter((one) => one.official);
  const series = (name: string, of: (one: Measured) => number) => ({
    name,
    points: official.map((one) => [one.set, of(one)] as const).filter(([, psnr]) => Number.isFinite(psnr)),
  });
  return {
    name: "table1",
    caption: "PSNR on Y: the paper's networks, this one, and bicubic enlargement",
    svg: lineChart({
      x: { label: "test set" },
      y: { label: "PSNR (dB)" },
      lines: false,
      series: [
        series("paper, MASA-rec", ({ set }) => TABLE1[set]["MASA-rec"][0]),
        series("paper, MASA", ({ set }) => TABLE1[set].MASA[0]),
        series("ours", ({ evaluation }) => evaluation.mean.psnr),
        series("bicubic", ({ evaluation }) => evaluation.mean.bicubicPsnr),
      ],
    }),
  };
}
