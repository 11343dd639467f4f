/**
 * Everything a training run can be told, in one table: the keys of a config file, the options of `masa train` and the
 * fields of the API are the same, with the same checks.
 */
import { readFile } from "node:fs/promises";
import { advice, MasaError } from "../errors.js";
import { ADAPTATIONS, AGGREGATIONS, currentKeys, MASA, type MasaConfig, masaConfig } from "../masa/config.js";
import { FIRST_WEIGHTS, type FirstWeights } from "../masa/first_weights.js";
import type { VggLayer } from "../masa/vgg.js";
import { NETWORK_PRESETS } from "../models/presets.js";
import {
  belowOne,
  choice,
  count,
  flag,
  layer,
  list,
  nearest,
  number,
  optional,
  positive,
  type Reader,
  text,
  Wanted,
} from "./readers.js";

/** What a training run is told cannot be meant. All faults are listed together. */
export class ConfigError extends MasaError {
  override readonly name = "ConfigError";
}

/** How the learning rate goes on: `learningRate` has the formulas. */
export type Schedule = "cosine" | "anneal" | "constant" | "step";

/** Everything that a training run depends on. The options of `masa train` are the same in kebab case. */
export interface TrainConfig extends MasaConfig {
  /** Folder or .csv file with the training pairs (see data/layouts.ts). */
  readonly data: string;
  /** Folder or .csv file with test cases; without it those of `data`, else some of its pairs are held out. */
  readonly validate: string | null;
  /** Side of the training images. */
  readonly size: number;
  /** Samples in a step. */
  readonly batch: number;
  /** Samples that the GPU takes at once; their gradients are added up to those of the batch. */
  readonly microBatch: number | null;
  /** Flips, turns, colour changes, exchange of image and reference. */
  readonly augment: boolean;
  /** Epoch from which images are flipped and turned (officially 30). */
  readonly geometryFrom: number;
  /** Whether image and reference are flipped and turned each by its own draw, as officially, or together. */
  readonly orient: "each" | "together";
  /** The share of samples whose reference is withheld: the decoder gets zeros for it. */
  readonly dropReference: number;

  /** Weights to begin with: .pth, .safetensors, or a training checkpoint. */
  readonly init: string | null;
  /** What weights begin as without `init`. */
  readonly firstWeights: FirstWeights;
  /** Factors of the losses: L1, perceptual, adversarial (paper, eq. 18). */
  readonly rec: number;
  /** Differences of pixels, of 1, below which the L1 loss is a parabola; 0, as officially, for none. */
  readonly smooth: number;
  /** Factor of the loss of the colour alone (see `chroma`); 0, as officially, for none. */
  readonly chroma: number;
  /** Factor of the loss of the differences of neighbouring pixels; 0, as officially, for none. */
  readonly edges: number;
  readonly per: number;
  readonly adv: number;
  /** Weights of VGG19, for the perceptual loss. */
  readonly vgg: string | null;
  readonly vggLayer: VggLayer;
  /** Channel order in which VGG19 sees images: `bgr` as officially, or the `rgb` that it was trained with. */
  readonly vggOrder: "bgr" | "rgb";
  /** Channels of the discriminator's first stage. */
  readonly discriminatorChannels: number;

  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly discriminatorLr: number;
  readonly discriminatorBetas: readonly [number, number];
  readonly schedule: Schedule;
  /** Epochs: half a period of the cosine, or between two steps. */
  readonly period: number;
  /** Factor of the learning rate at each step of the schedule `step`. */
  readonly gamma: number;
  /** Steps over which the learning rate rises from 0. */
  readonly warmup: number;
  /** Largest norm of all gradients together; longer ones are shortened. */
  readonly clip: number | null;
  /** Decay of a running average of the weights, which then is validated and saved as the network. */
  readonly average: number | null;
  /** Computes activations twice instead of keeping them. */
  readonly recompute: boolean;
  /** Steps in a row without a finite gradient after which training stops. */
  readonly maxSkips: number;

  readonly epochs: number;
  /** Ends after so many steps, whatever the epoch. */
  readonly steps: number | null;
  /** Ends after so many steps, with the learning rates of a run that goes on to its last. */
  readonly stopAt: number | null;
  readonly seed: number;
  readonly workers: number | null;
  readonly checkpointEvery: number;
  /** Steps between two comparisons of the parameters of all processes; with one process nothing is compared. */
  readonly compareEvery: number;
  /** Checkpoints kept besides the best. */
  readonly keep: number;
  readonly validateEvery: number;
  readonly validateCases: number;
}

/** What the step on the GPU is told. */
export type TrainerConfig = Omit<TrainConfig, "data">;

export type TrainKey = keyof TrainConfig;

/** What a preset or a user says; the rest is the default. */
export type TrainChanges = Partial<TrainConfig> & { readonly preset?: string };

export interface TrainOption {
  readonly help: string;
  /** The argument's name on the command line; an option without is a switch. */
  readonly argument?: string;
  readonly read: Reader;
  /** A run that is resumed may be given another value: it does not change what is computed. */
  readonly free?: boolean;
}

/** In the order of `masa train --help`. */
export const TRAIN_OPTIONS: Readonly<Record<TrainKey, TrainOption>> = {
  data: { argument: "path", read: text, free: true, help: "folder or pairs.csv with the training pairs" },
  validate: {
    ...{ argument: "path", read: optional(text), free: true },
    help: "test cases to validate with (default: those of the data, else some pairs are held out)",
  },
  steps: { argument: "number", read: optional(count(1)), free: true, help: "end after so many steps" },
  stopAt: {
    ...{ argument: "step", read: optional(count(1)), free: true },
    help: "end here with the schedule of the whole run, to go on with other data or losses by --init",
  },
  epochs: { argument: "number", read: count(1), free: true, help: "end after so many epochs" },
  batch: { argument: "number", read: count(1), help: "samples in a step" },
  microBatch: {
    ...{ argument: "number", read: optional(count(1)) },
    help: "samples that the GPU takes at once; must divide the batch (default: all)",
  },
  size: { argument: "pixels", read: count(32, 32), help: "side of the training images, a multiple of 32" },
  seed: { argument: "number", read: count(0), help: "of the first weights, the order and the augmentation" },
  lr: { argument: "rate", read: number(0), help: "learning rate" },
  schedule: {
    argument: "kind",
    read: choice("cosine", "anneal", "constant", "step"),
    help: "cosine, constant, step, or anneal: to 0 over all steps",
  },
  period: { argument: "epochs", read: positive, help: "of the cosine's half period, or between two steps" },
  gamma: { argument: "factor", read: number(0, 1), help: "of the learning rate at each step of the schedule 'step'" },
  warmup: { argument: "steps", read: count(0), help: "over which the learning rate rises from 0" },
  betas: { argument: "pair", read: list(belowOne, 2), help: "of Adam" },
  clip: { argument: "norm", read: optional(positive), help: "shorten the gradient to this norm" },
  average: { argument: "decay", read: optional(number(0, 1)), help: "keep a running average of the weights, as 0.999" },
  init: { argument: "file", read: optional(text), help: "weights to begin with (.pth, .safetensors, a checkpoint)" },
  firstWeights: {
    ...{ argument: "kind", read: choice(...FIRST_WEIGHTS) },
    help: "official, or he: twice as large and 0 in the last layer, with which narrow networks learn",
  },
  rec: { argument: "factor", read: number(0), help: "of the L1 loss" },
  smooth: { argument: "difference", read: number(0), help: "of pixels below which the L1 loss is a parabola; 0: none" },
  chroma: {
    ...{ argument: "factor", read: number(0) },
    help: "of a further L1 loss of the colour alone, without which narrow networks add only grey; 0: none",
  },
  edges: {
    ...{ argument: "factor", read: number(0) },
    help: "of a further L1 loss of the differences of neighbouring pixels, for sharper edges; 0: none",
  },
  per: { argument: "factor", read: number(0), help: "of the perceptual loss; above 0 it wants --vgg" },
  adv: { argument: "factor", read: number(0), help: "of the adversarial loss" },
  vgg: {
    ...{ argument: "file", read: optional(text), free: true },
    help: "torchvision's VGG19 weights (vgg19-dcbb9e9d.pth), for the perceptual loss",
  },
  vggLayer: { argument: "layer", read: layer, help: "conv5_4 as the official code, or relu5_1 as the paper writes" },
  vggOrder: { argument: "order", read: choice("bgr", "rgb"), help: "bgr as the official code, or rgb as VGG learned" },
  discriminatorChannels: { argument: "number", read: count(1), help: "of the discriminator's first stage" },
  discriminatorLr: { argument: "rate", read: number(0), help: "learning rate of the discriminator" },
  discriminatorBetas: { argument: "pair", read: list(belowOne, 2), help: "of the discriminator's Adam" },
  augment: { argument: "boolean", read: flag, help: "flips, turns, colours, exchange" },
  geometryFrom: { argument: "epoch", read: count(0), help: "from which images are flipped and turned" },
  orient: {
    ...{ argument: "how", read: choice("each", "together") },
    help: "flips and turns: each image its own, as officially, or the pair together",
  },
  dropReference: {
    ...{ argument: "share", read: number(0, 1) },
    help: "share of samples without a reference, so that the network can enlarge without one, too",
  },
  channels: { argument: "number", read: count(1), help: "of every layer of the network" },
  encoderBlocks: { argument: "list", read: list(count(0), 3), help: "residual blocks of the encoder's levels" },
  decoderBlocks: { argument: "list", read: list(count(0), 6), help: "of the decoder at L3, L2, L1, ×1, ×2, ×4" },
  blockSize: { argument: "pixels", read: count(1), help: "side of an LR block in the coarse match" },
  refBlockScale: { argument: "factor", read: positive, help: "of the window in Ref that a block searches" },
  dilations: { argument: "list", read: list(count(1)), help: "of the coarse match" },
  adaptation: {
    ...{ argument: "kind", read: choice(...ADAPTATIONS) },
    help: "of the reference to LR's statistics: sam, spade, adain or none (paper, table 3)",
  },
  aggregation: {
    ...{ argument: "kind", read: choice(...AGGREGATIONS) },
    help: "branches of DRAM: dual, ref, lr or concat (paper, table 4: models 4 to 1)",
  },
  useReference: {
    ...{ argument: "boolean", read: flag },
    help: "false: the decoder gets zeros in place of the reference's features, to see what a reference gives",
  },
  recompute: {
    ...{ argument: "boolean", read: flag, free: true },
    help: "compute activations twice instead of keeping them: less memory, same bits",
  },
  maxSkips: { argument: "number", read: count(1), free: true, help: "steps in a row without a finite gradient" },
  checkpointEvery: { argument: "steps", read: count(1), free: true, help: "between two checkpoints" },
  compareEvery: {
    ...{ argument: "steps", read: count(1), free: true },
    help: "under mpirun: between two comparisons of all ranks' parameters",
  },
  keep: { argument: "number", read: count(1), free: true, help: "checkpoints kept besides the best" },
  validateEvery: { argument: "steps", read: count(1), free: true, help: "between two validations" },
  validateCases: { argument: "number", read: count(0), help: "how many cases validate at most; 0 for none" },
  workers: { argument: "number", read: optional(count(1)), free: true, help: "threads that prepare images" },
};

/** The official training (paper, section 4.1), but for `data`. */
export const OFFICIAL: TrainerConfig = {
  ...MASA,
  ...{ validate: null, size: 160, batch: 9, microBatch: null, augment: true, geometryFrom: 30 },
  ...{ orient: "each", dropReference: 0 },
  ...{
    init: null,
    firstWeights: "official",
    rec: 1,
    smooth: 0,
    chroma: 0,
    edges: 0,
    per: 0,
    adv: 0,
    vgg: null,
    vggLayer: "conv5_4",
    vggOrder: "bgr",
  },
  ...{ lr: 1e-4, betas: [0.9, 0.999], schedule: "cosine", period: 500, gamma: 0.3, warmup: 0 },
  ...{ discriminatorChannels: 64, discriminatorLr: 1e-4, discriminatorBetas: [0, 0.9] },
  ...{
    clip: null,
    average: null,
    recompute: false,
    maxSkips: 10,
    epochs: 500,
    steps: null,
    stopAt: null,
    seed: 0,
    workers: null,
  },
  ...{ checkpointEvery: 500, compareEvery: 100, keep: 3, validateEvery: 500, validateCases: 4 },
};

/**
 * Of the narrow presets. The colour's share of the squared error is a few per cent, so this makes its gradient about as large
 * as the brightness's (docs/results.md).
 */
const CHROMA = 8;

/** What `preset` may be: a line of help, and how each differs from the official training. */
export const PRESETS: Readonly<Record<string, { readonly help: string; readonly changes: Partial<TrainConfig> }>> = {
  "masa-rec": { help: "the official network on the L1 loss", changes: {} },
  masa: { help: "all three losses, to begin with --init masa-rec's weights", changes: { per: 1, adv: 5e-3 } },
  small: {
    help: "16 channels, most blocks where images are small, as the shipped weights: an hour or two on a CPU",
    changes: {
      ...{ ...NETWORK_PRESETS.small, size: 96, batch: 4 },
      ...{ firstWeights: "he", smooth: 0.1, chroma: CHROMA, geometryFrom: 0, orient: "together", dropReference: 0.1 },
      ...{ lr: 1e-3, schedule: "anneal", warmup: 50, average: 0.995, steps: 1500 },
      ...{ checkpointEvery: 50, validateEvery: 250 },
    },
  },
  tiny: {
    help: "16 channels, a block at each stage, small images: minutes on a CPU",
    changes: {
      ...{ ...NETWORK_PRESETS.tiny, size: 96, batch: 4 },
      ...{ firstWeights: "he", smooth: 0.1, chroma: CHROMA, geometryFrom: 0, orient: "together" },
      ...{ lr: 1e-3, schedule: "constant", warmup: 20, steps: 500 },
      ...{ checkpointEvery: 100, validateEvery: 100 },
    },
  },
};

export const DEFAULT_PRESET = "masa-rec";

/**
 * A whole configuration: the defaults, changed by the preset, changed by `changes` in their order. Throws `ConfigError`
 * with every unknown key and every value that cannot be meant.
 */
export function trainConfig(...changes: readonly (TrainChanges | Readonly<Record<string, unknown>>)[]): TrainConfig {
  const merged: Record<string, unknown> = Object.assign({}, ...changes.map(currentKeys));
  const faults: string[] = [];
  const preset = merged.preset ?? DEFAULT_PRESET;
  if (typeof preset !== "string" || !Object.hasOwn(PRESETS, preset))
    faults.push(`preset is ${JSON.stringify(preset)}; there are ${Object.keys(PRESETS).join(", ")}`);
  const config: Record<string, unknown> = { ...OFFICIAL, ...PRESETS[preset as string]?.changes };
  for (const [key, value] of Object.entries(merged)) {
    if (key === "preset" || value === undefined) continue;
    try {
      config[key] = readValue(key, value);
    } catch (fault) {
      faults.push((fault as Error).message);
    }
  }
  faults.push(...contradictions(config as unknown as TrainConfig, faults.length > 0));
  if (faults.length > 0)
    throw new ConfigError(
      `the configuration has ${faults.length === 1 ? "a fault" : `${faults.length} faults`}`,
      `Correct:\n  ${faults.join("\n  ")}`,
    );
  return config as unknown as TrainConfig;
}

/** One value of a key, as text or not. Throws `Wanted`. */
export function readValue(key: string, value: unknown): unknown {
  if (!Object.hasOwn(TRAIN_OPTIONS, key)) {
    const near = nearest(key, Object.keys(TRAIN_OPTIONS));
    throw new Wanted(near ? `${key} is unknown; did you mean ${near}?` : `${key} is unknown`);
  }
  try {
    return TRAIN_OPTIONS[key as TrainKey].read(value);
  } catch (wanted) {
    throw new Wanted(`${key} is ${JSON.stringify(value)}; ${(wanted as Error).message} is wanted`);
  }
}

/** What each value allows alone and all together do not. */
function contradictions(config: TrainConfig, known: boolean): string[] {
  if (known) return [];
  const { data, rec, chroma, edges, per, adv, vgg, batch, microBatch, size } = config;
  const faults: string[] = [];
  if (data === undefined) faults.push("data is missing: the folder or pairs.csv with the training pairs");
  if (rec + chroma + edges + per + adv === 0)
    faults.push("rec, chroma, edges, per and adv are 0: there is nothing to train for");
  if (per > 0 && vgg === null)
    faults.push(`per is ${per}, which wants vgg: the file vgg19-dcbb9e9d.pth of torchvision's VGG19; or set per to 0`);
  if (microBatch !== null && batch % microBatch !== 0)
    faults.push(`microBatch is ${microBatch}, which does not divide batch, ${batch}`);
  // The discriminator's last batch norm sees images of size / 32.
  if (adv > 0 && (size / 32) ** 2 * (microBatch ?? batch) < 2)
    faults.push("size is 32 with one sample at a time, of which the discriminator's batch norm finds no variance");
  return faults;
}

/** The object of a JSON config file. Throws `ConfigError`. */
export async function readConfigFile(path: string): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readFile(path, "utf8").catch((cause: Error) => {
    throw new ConfigError(`the config ${path} cannot be read: ${cause.message}`, "Check the path", { cause });
  });
  let value: unknown;
  try {
    value = JSON.parse(bytes);
  } catch (cause) {
    throw new ConfigError(`the config ${path} is no JSON: ${(cause as Error).message}`, "Correct it there", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ConfigError(`the config ${path} is no JSON object`, 'Write it as {"preset": "tiny", "data": "pairs"}');
  return value as Readonly<Record<string, unknown>>;
}

/**
 * The configuration of a run that goes on: the saved one with what `changes` may change. Of a preset only the network must
 * be that of the run. Throws `ConfigError` for what would change what is computed.
 */
export function resumedConfig(saved: TrainConfig, changes: TrainChanges): TrainConfig {
  const { preset, ...wanted } = currentKeys(changes) as TrainChanges;
  const network =
    preset === undefined ? {} : masaConfig(trainConfig({ data: saved.data, vgg: saved.vgg, preset }, wanted));
  const begun = trainConfig(saved as TrainChanges);
  const config = trainConfig(begun as TrainChanges, network, wanted);
  const given = [...Object.keys(network), ...Object.keys(wanted)] as TrainKey[];
  const fixed = [...new Set(given)].filter(
    (key) => !TRAIN_OPTIONS[key].free && JSON.stringify(config[key]) !== JSON.stringify(begun[key]),
  );
  if (fixed.length > 0)
    throw new ConfigError(
      `the run was begun with ${fixed.map((key) => `${key} ${JSON.stringify(begun[key])}`).join(", ")}`,
      `Omit ${[...(preset === undefined ? [] : ["preset"]), ...fixed].join(", ")} to continue it, or start a new run ${advice("in another folder", "with another --out")}`,
    );
  return config;
}
