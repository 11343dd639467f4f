/** The numbers of the network. The defaults are the official model (paper, section 4.1): 4,028,291 parameters. */
import { ArgumentError } from "../errors.js";

/** How the warped reference is brought to the statistics of LR (paper, table 3). */
export const ADAPTATIONS = ["sam", "spade", "adain", "none"] as const;
export type Adaptation = (typeof ADAPTATIONS)[number];

/** Which features DRAM refines by residuals before it merges them (paper, table 4: models 4, 2, 3 and 1). */
export const AGGREGATIONS = ["dual", "ref", "lr", "concat"] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

/** The numbers that make a network, and the ablations of the paper. */
export interface MasaConfig {
  /** Feature channels of every layer. */
  readonly channels: number;
  /** Residual blocks of the encoder at levels 1 (full size), 2 (half) and 3 (quarter). */
  readonly encoderBlocks: readonly [number, number, number];
  /** Residual blocks of the decoder at LR levels 3, 2, 1 and at scales ×1, ×2, ×4. */
  readonly decoderBlocks: readonly [number, number, number, number, number, number];
  /** Side of an LR block in the coarse match, in LR pixels (paper: 8). */
  readonly blockSize: number;
  /** Side of the reference window that a block searches finely, relative to the block's share (paper: 1.5). */
  readonly refBlockScale: number;
  /** Dilations whose similarities the coarse match adds (paper: 1, 2, 3). */
  readonly dilations: readonly number[];
  readonly adaptation: Adaptation;
  readonly aggregation: Aggregation;
  /** Whether the decoder gets the features matched in the reference. If not, it gets zeros: a network to compare with. */
  readonly useReference: boolean;
}

/** The official network: 64 channels, 4 million parameters. */
export const MASA: MasaConfig = {
  channels: 64,
  encoderBlocks: [4, 4, 4],
  decoderBlocks: [2, 2, 2, 12, 8, 4],
  blockSize: 8,
  refBlockScale: 1.5,
  dilations: [1, 2, 3],
  adaptation: "sam",
  aggregation: "dual",
  useReference: true,
};

/** A configuration from a file, with keys that have been renamed since under their names of today. */
export function currentKeys(config: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [RENAMED[key] ?? key, value]));
}

/** Keys of files, as they were called before and as they are called now. */
const RENAMED: Readonly<Record<string, string>> = { reference: "useReference" };

/** Side of a matched patch. The fused kernels are written for it. */
export const PATCH = 3;

/** The official numbers with some changed; unknown fields are ignored. Throws `ArgumentError` for a value no network can have. */
export function masaConfig(changes: Partial<MasaConfig> = {}): MasaConfig {
  const known = Object.entries(changes).filter(([key, value]) => Object.hasOwn(MASA, key) && value !== undefined);
  const config: MasaConfig = { ...MASA, ...Object.fromEntries(known) };
  const whole = [...config.encoderBlocks, ...config.decoderBlocks];
  if (
    !whole.every((count) => Number.isInteger(count) && count >= 0) ||
    config.encoderBlocks.length !== 3 ||
    config.decoderBlocks.length !== 6
  )
    throw new ArgumentError(
      `masa: encoderBlocks is [${config.encoderBlocks}] and decoderBlocks is [${config.decoderBlocks}]`,
      "Give three and six numbers of blocks, each a whole number of at least 0",
    );
  for (const name of ["channels", "blockSize"] as const) {
    if (!Number.isInteger(config[name]) || config[name] < 1)
      throw new ArgumentError(`masa: ${name} is ${config[name]}`, "Give a whole number of at least 1");
  }
  if (!(config.refBlockScale > 0))
    throw new ArgumentError(`masa: refBlockScale is ${config.refBlockScale}`, "Give a positive number");
  if (config.dilations.length === 0 || !config.dilations.every((d) => Number.isInteger(d) && d >= 1))
    throw new ArgumentError(`masa: dilations is [${config.dilations}]`, "Give one or more whole numbers of at least 1");
  for (const [name, kinds] of Object.entries({ adaptation: ADAPTATIONS, aggregation: AGGREGATIONS })) {
    const kind: string = config[name as "adaptation" | "aggregation"];
    if (!(kinds as readonly string[]).includes(kind))
      throw new ArgumentError(`masa: ${name} is ${kind}`, `Choose one of ${kinds.join(", ")}`);
  }
  return config;
}

/**
 * The configuration that a state dict was made with, read from the names and shapes of its tensors. Where it has no
 * adaptation, SAM's tensors are what it lacks: that AdaIN or nothing is wanted must be said.
 */
export function configOf(weights: ReadonlyMap<string, { readonly shape: readonly number[] }>): MasaConfig {
  const count = (prefix: string) => {
    let blocks = 0;
    while (weights.has(`${prefix}.${blocks}.conv1.weight`)) blocks++;
    return blocks;
  };
  const [x1, x2, x3] = ["enc.blk_L1", "enc.blk_L2", "enc.blk_L3"].map(count) as [number, number, number];
  const decoder = ["L3", "L2", "L1", "x1", "x2", "x4"].map((stage) => count(`decoder.blk_${stage}`));
  return masaConfig({
    channels: weights.get("enc.conv_L1.weight")?.shape[0] ?? MASA.channels,
    encoderBlocks: x1 + x2 + x3 > 0 ? [x1, x2, x3] : MASA.encoderBlocks,
    adaptation: isSpade(weights.get("decoder.pAda.conv_shared.0.weight")) ? "spade" : "sam",
    aggregation: aggregationOf(weights),
    decoderBlocks: decoder.some((blocks) => blocks > 0)
      ? (decoder as unknown as MasaConfig["decoderBlocks"])
      : MASA.decoderBlocks,
  });
}

/** SPADE's first convolution sees LR alone. */
function isSpade(shared?: { readonly shape: readonly number[] }): boolean {
  return shared !== undefined && shared.shape[0] === shared.shape[1];
}

function aggregationOf(weights: ReadonlyMap<string, unknown>): Aggregation {
  const [ref, lr] = ["a", "b"].map((branch) => weights.has(`decoder.dram_x2.conv_up_${branch}.weight`));
  if (ref === lr) return ref || !weights.has("decoder.dram_x2.conv_cat.weight") ? "dual" : "concat";
  return ref ? "ref" : "lr";
}
