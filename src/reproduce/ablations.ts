/**
 * The paper's tables 3 and 4: networks with less adaptation or aggregation, trained alike and compared. Their parameters are
 * the paper's; what they reach depends on how long they train on what, which here is little.
 */
import { join } from "node:path";
import { ALONE, type Workforce } from "../data/workforce.js";
import { type CaseResults, evaluatePrepared, type PreparedCase, prepareCases } from "../evaluate/evaluate.js";
import type { Device } from "../gpu/device.js";
import { MASA, type MasaConfig } from "../masa/config.js";
import { Masa } from "../masa/masa.js";
import { loadMasa } from "../models/load.js";
import { type TrainConfig, trainConfig } from "../train/config.js";
import { readTrainingSet } from "../train/dataset.js";
import { readMetrics } from "../train/log/metrics.js";
import { METRICS } from "../train/log/run_log.js";
import { train } from "../train/run.js";
import { barChart, lineChart, type Series } from "./chart.js";
import { mega } from "./format.js";
import { TABLE3, TABLE4 } from "./paper.js";
import type { Figure, Result, Table } from "./result.js";

export type AblationTable = "table3" | "table4";

export interface Variant {
  readonly name: string;
  /** The whole network is in both tables, and trained once. */
  readonly whole: boolean;
  readonly title: string;
  readonly changes: Partial<MasaConfig>;
  /** Parameters that the paper gives, in millions. */
  readonly paper: number;
}

/** In the paper's order. */
export const VARIANTS: Readonly<Record<AblationTable, readonly Variant[]>> = {
  table3: (["none", "adain", "spade", "sam"] as const).map((adaptation) => ({
    name: adaptation,
    whole: adaptation === MASA.adaptation,
    title: { none: "no adaptation", adain: "AdaIN", spade: "SPADE", sam: "SAM" }[adaptation],
    changes: { adaptation },
    paper: TABLE3[adaptation],
  })),
  table4: (["concat", "ref", "lr", "dual"] as const).map((aggregation, i) => ({
    name: aggregation,
    whole: aggregation === MASA.aggregation,
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
  /** Where the runs are: a folder for each network and seed. */
  readonly folder: string;
  readonly data: string;
  readonly preset: string;
  readonly steps?: number | undefined;
  /** Each network is trained once with each. */
  readonly seeds: readonly number[];
  /** Who trains: each of its processes takes whole networks. */
  readonly workforce?: Workforce | undefined;
  readonly signal: AbortSignal;
  readonly onStatus: (status: string) => void;
}

/** What a variant's networks reach, by seed. */
type Runs = readonly CaseResults[];

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
  const runs = await eachNetwork(variants, training, (variant, seed) =>
    trainAndMeasure(device, variant, seed, cases, training),
  );
  const config = configOf(training, {});
  const { seeds } = training;
  return {
    ...base,
    text: [
      `Each network is trained anew with the same ${seeds.length === 1 ? "seed" : `${seeds.length} seeds`} and budget: preset ` +
        `${training.preset} (${config.channels} channels), ${config.steps} steps of ${config.batch} images of ` +
        `${config.size}×${config.size}. PSNR (dB) and SSIM on Y are means over ${cases.length} images` +
        `${seeds.length === 1 ? "; another seed may change them by more than the networks differ" : " and the seeds"}. ` +
        "The paper trains the official network on CUFED.",
    ],
    tables: [counted, reached(variants, runs, seeds)],
    figures: [await curves(table, variants, training)],
    data: variants.map(({ name, paper }, i) => ({
      ...{ name, paper, parameters: parameters[i] },
      runs: seeds.map((seed, k) => ({ seed, ...runs[i]?.[k] })),
    })),
  };
}

/** What each network of a comparison is told. */
function configOf({ data, preset, steps }: Training, changes: Partial<TrainConfig>): TrainConfig {
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

/** The folder of a run. */
function runOf({ name, whole }: Variant, seed: number, { folder }: Training): string {
  return join(folder, `${whole ? "masa" : name}-${seed}`);
}

/** Trains a variant to its last step, or what is left of it, and gives its newest checkpoint. */
export async function trainVariant(
  device: Device,
  variant: Variant,
  seed: number,
  training: Training,
): Promise<string> {
  const { signal, onStatus, seeds } = training;
  const title = seeds.length === 1 ? variant.title : `${variant.title}, seed ${seed}`;
  const config = configOf(training, { ...variant.changes, seed });
  const { checkpoint, stopped } = await train(device, {
    ...{ out: runOf(variant, seed, training), config, resume: true, signal },
    onStep: ({ step, steps }) => onStatus(`${title}: step ${step}/${steps}`),
  });
  if (stopped) signal.throwIfAborted();
  return checkpoint;
}

/** What `work` gives for each variant and, within it, each seed. */
export async function eachNetwork<R>(
  variants: readonly Variant[],
  { seeds, workforce = ALONE }: Training,
  work: (variant: Variant, seed: number) => Promise<R>,
): Promise<R[][]> {
  const networks = variants.flatMap((variant) => seeds.map((seed) => ({ variant, seed })));
  const results: R[] = [];
  await workforce.each(
    networks.length,
    (index) => work(networks[index]!.variant, networks[index]!.seed),
    (index, result) => {
      results[index] = result;
    },
  );
  const all = await workforce.share(results);
  return variants.map((_, i) => all.slice(i * seeds.length, (i + 1) * seeds.length));
}

async function trainAndMeasure(
  device: Device,
  variant: Variant,
  seed: number,
  cases: readonly PreparedCase[],
  training: Training,
): Promise<CaseResults> {
  const masa = await loadMasa(device, await trainVariant(device, variant, seed, training));
  try {
    return await evaluatePrepared(device, masa, cases, {
      signal: training.signal,
      onCase: (_, done, total) => training.onStatus(`${variant.title}: image ${done}/${total}`),
    });
  } finally {
    masa.parameters.dispose();
  }
}

function reached(variants: readonly Variant[], runs: readonly Runs[], seeds: readonly number[]): Table {
  const { bicubicPsnr, bicubicSsim } = (runs as readonly [readonly [CaseResults]])[0][0].mean;
  const each = (psnr: (i: number) => number) => (seeds.length === 1 ? [] : seeds.map((_, i) => psnr(i).toFixed(3)));
  return {
    title: "Reached at a small scale",
    columns: ["", "PSNR", ...(seeds.length === 1 ? [] : seeds.map((seed) => `seed ${seed}`)), "SSIM"],
    rows: [
      ...variants.map(({ title }, i) => {
        const means = (runs[i] as Runs).map(({ mean }) => mean);
        const [psnr, ssim] = [average(means.map((mean) => mean.psnr)), average(means.map((mean) => mean.ssim))];
        return [title, psnr.toFixed(3), ...each((k) => means[k]?.psnr as number), ssim.toFixed(4)];
      }),
      ["bicubic", bicubicPsnr.toFixed(3), ...each(() => bicubicPsnr), bicubicSsim.toFixed(4)],
    ],
  };
}

/** PSNR of the validations, as the runs have logged them: the mean over the seeds. */
async function curves(table: AblationTable, variants: readonly Variant[], training: Training): Promise<Figure> {
  const series: Series[] = [];
  for (const variant of variants) {
    const points = new Map<number, number[]>();
    for (const seed of training.seeds) {
      for (const { step, psnr } of await readMetrics(join(runOf(variant, seed, training), METRICS))) {
        if (typeof step === "number" && typeof psnr === "number" && Number.isFinite(psnr))
          points.set(step, [...(points.get(step) ?? []), psnr]);
      }
    }
    series.push({ name: variant.title, points: [...points].map(([step, psnr]) => [step, average(psnr)] as const) });
  }
  return {
    name: table,
    caption: "PSNR of the validations while training",
    svg: lineChart({ x: { label: "steps" }, y: { label: "PSNR (dB)" }, series }),
  };
}

export function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
