/**
 * The paper's tables 3 and 4: networks with less adaptation or aggregation, trained alike and compared. Their parameters are
 * the paper's; what they reach depends on how long they train on what, which here is little.
 */
import { join } from "node:path";
import type { Device } from "../gpu/device.js";
import type { MasaConfig } from "../masa/config.js";
import { Masa } from "../masa/masa.js";
import { type TrainConfig, trainConfig } from "../train/config.js";
import { readTrainingSet } from "../train/dataset.js";
import { type CaseResults, evaluatePrepared, type PreparedCase, prepareCases } from "../train/evaluate.js";
import { readMetrics } from "../train/log/metrics.js";
import { METRICS } from "../train/log/run_log.js";
import { train } from "../train/run.js";
import { loadMasa } from "../train/weights.js";
import { barChart, lineChart, type Series } from "./chart.js";
import { mega } from "./format.js";
import { TABLE3, TABLE4 } from "./paper.js";
import type { Figure, Result, Table } from "./result.js";

export type AblationTable = "table3" | "table4";

interface Variant {
  readonly name: string;
  readonly title: string;
  readonly changes: Partial<MasaConfig>;
  /** Parameters that the paper gives, in millions. */
  readonly paper: number;
}

/** In the paper's order. */
export const VARIANTS: Readonly<Record<AblationTable, readonly Variant[]>> = {
  table3: (["none", "adain", "spade", "sam"] as const).map((adaptation) => ({
    name: adaptation,
    title: { none: "no adaptation", adain: "AdaIN", spade: "SPADE", sam: "SAM" }[adaptation],
    changes: { adaptation },
    paper: TABLE3[adaptation],
  })),
  table4: (["concat", "ref", "lr", "dual"] as const).map((aggregation, i) => ({
    name: aggregation,
    title: `model ${i + 1}: ${{ concat: "concatenation", ref: "branch of Ref", lr: "branch of LR", dual: "DRAM" }[aggregation]}`,
    changes: { aggregation },
    paper: TABLE4[aggregation],
  })),
};

const TITLES = {
  table3: "Table 3: how the reference is adapted",
  table4: "Table 4: how features are aggregated",
} as const;

/** How the networks of a comparison are trained; what is not said is the preset's. */
export interface Training {
  /** Where the runs are: a folder for each network. */
  readonly folder: string;
  readonly data: string;
  readonly preset: string;
  readonly steps?: number | undefined;
  readonly signal: AbortSignal;
  readonly onStatus: (status: string) => void;
}

/** Images to compare on: enough to tell networks apart, few enough for a CPU. */
const CASES = 12;
/** Points of a curve. */
const VALIDATIONS = 10;

/** Parameters alone; with a training, what the networks reach. */
export async function ablations(device: Device, table: AblationTable, training?: Training): Promise<Result> {
  const variants = VARIANTS[table];
  const parameters = variants.map(({ changes }) => new Masa(changes).parameters.count);
  const base = { name: table, title: TITLES[table] };
  const counted = {
    title: "Parameters of the official network",
    columns: ["", "paper", "ours"],
    rows: variants.map(({ title, paper }, i) => [title, `${paper.toFixed(2)} M`, `${mega(parameters[i] as number)} M`]),
  };
  if (!training) {
    const bars = variants.map(({ title }, i) => [title, Number(mega(parameters[i] as number))] as const);
    const svg = barChart({ label: "10⁶ parameters", bars });
    return {
      ...base,
      text: [
        "Parameters, counted from the networks. With --data the networks are trained at a small scale and compared.",
      ],
      tables: [counted],
      figures: [{ name: table, caption: "Parameters", svg }],
      data: variants.map(({ name, paper }, i) => ({ name, paper, parameters: parameters[i] })),
    };
  }
  const cases = await testCases(training);
  const results: CaseResults[] = [];
  for (const variant of variants) results.push(await trainAndMeasure(device, variant, cases, training));
  const config = configOf(training, {});
  return {
    ...base,
    text: [
      `Each network is trained anew with the same seed and budget: preset ${training.preset} (${config.channels} channels), ` +
        `${config.steps} steps of ${config.batch} images of ${config.size}×${config.size} on the L1 loss. ` +
        `PSNR (dB) and SSIM on Y are means over ${cases.length} images. At this scale differences of hundredths of a dB are ` +
        "noise of the training; the paper trains the official network on CUFED.",
    ],
    tables: [counted, reached(variants, results)],
    figures: [await curves(table, variants, training)],
    data: variants.map(({ name, paper }, i) => ({ name, paper, parameters: parameters[i], ...results[i] })),
  };
}

/** What each network of a comparison is told. */
function configOf({ data, preset, steps }: Training, changes: Partial<MasaConfig>): TrainConfig {
  const wanted = trainConfig({ data, preset, ...changes, ...(steps !== undefined && { steps }) });
  if (wanted.steps === null) return wanted;
  const every = Math.max(1, Math.ceil(wanted.steps / VALIDATIONS));
  return { ...wanted, validateEvery: every, checkpointEvery: every, validateCases: CASES };
}

/** The cases that validate the runs, with their images. */
export async function testCases(training: Training): Promise<PreparedCase[]> {
  const { test } = await readTrainingSet(configOf(training, {}), { signal: training.signal });
  return prepareCases(test);
}

/** Trains a variant to its last step, or what is left of it, and gives its newest checkpoint. */
export async function trainVariant(device: Device, variant: Variant, training: Training): Promise<string> {
  const { folder, signal, onStatus } = training;
  const { checkpoint, stopped } = await train(device, {
    ...{ out: join(folder, variant.name), config: configOf(training, variant.changes), resume: true, signal },
    onStep: ({ step, steps }) => onStatus(`${variant.title}: step ${step}/${steps}`),
  });
  if (stopped) signal.throwIfAborted();
  return checkpoint;
}

async function trainAndMeasure(
  device: Device,
  variant: Variant,
  cases: readonly PreparedCase[],
  training: Training,
): Promise<CaseResults> {
  const masa = await loadMasa(device, await trainVariant(device, variant, training));
  try {
    return await evaluatePrepared(device, masa, cases, {
      signal: training.signal,
      onCase: (_, done, total) => training.onStatus(`${variant.title}: image ${done}/${total}`),
    });
  } finally {
    masa.parameters.dispose();
  }
}

function reached(variants: readonly Variant[], results: readonly CaseResults[]): Table {
  const { bicubicPsnr, bicubicSsim } = (results[0] as CaseResults).mean;
  return {
    title: "Reached at a small scale",
    columns: ["", "PSNR", "SSIM"],
    rows: [
      ...variants.map(({ title }, i) => {
        const { psnr, ssim } = (results[i] as CaseResults).mean;
        return [title, psnr.toFixed(3), ssim.toFixed(4)];
      }),
      ["bicubic", bicubicPsnr.toFixed(3), bicubicSsim.toFixed(4)],
    ],
  };
}

/** PSNR of the validations, as the runs have logged them. */
async function curves(table: AblationTable, variants: readonly Variant[], { folder }: Training): Promise<Figure> {
  const series: Series[] = [];
  for (const { name, title } of variants) {
    const records = await readMetrics(join(folder, name, METRICS));
    const points = records.flatMap(({ step, psnr }) =>
      typeof step === "number" && typeof psnr === "number" && Number.isFinite(psnr) ? [[step, psnr] as const] : [],
    );
    series.push({ name: title, points });
  }
  return {
    name: table,
    caption: "PSNR of the validations while training",
    svg: lineChart({ x: { label: "steps" }, y: { label: "PSNR (dB)" }, series }),
  };
}
