/** Weights, as the bytes of a file or as named tensors, become a network on the GPU. */
import { isCheckpoint, parseState } from "../formats/checkpoint.js";
import { CheckpointError } from "../formats/errors.js";
import { isSafetensors, parseSafetensors } from "../formats/safetensors.js";
import type { FileTensor } from "../formats/tensor.js";
import { matchWeights, parseWeights } from "../formats/weights.js";
import type { Device } from "../gpu/device.js";
import type { Parameters } from "../graph/trace/parameters.js";
import { configOf, currentKeys, MASA, type MasaConfig } from "../masa/config.js";
import { Masa } from "../masa/masa.js";

/** Where a training checkpoint keeps the network: the running average of its weights is the better one. */
const NETWORKS = ["average/", "generator/"];

/** Where the metadata of an exported file have what its tensors do not tell of the network. */
export const CONFIG_KEY = "masa";

/** A network that weights fit, as yet without memory, and these. */
export interface ParsedNetwork {
  readonly masa: Masa;
  readonly values: ReadonlyMap<string, Float32Array>;
}

/**
 * The network of a file (.pth, .safetensors, or a training checkpoint, whose checksum is not asked for), its width and depth
 * read from the weights, and all its numbers where the file is a checkpoint or exported from one. `config` overrides what a
 * file cannot tell; `name` is what errors call it. Throws `CheckpointError`, listing every tensor that does not fit.
 */
export function parseNetwork(bytes: Uint8Array, name: string, config: Partial<MasaConfig> = {}): ParsedNetwork {
  const { weights, trained } = parseFile(bytes, name);
  const masa = new Masa({ ...configOf(weights), ...trained, ...config });
  matchWeights(masa.parameters.all, weights, name);
  return { masa, values: checkedValues(weights, name) };
}

/** Takes room on `device` for the network's parameters and fills them. Throws `OutOfGpuMemoryError`. */
export async function placeNetwork({ masa, values }: ParsedNetwork, device: Device): Promise<Masa> {
  await masa.parameters.allocate(device);
  assign(masa.parameters, values);
  return masa;
}

interface Network {
  readonly weights: ReadonlyMap<string, FileTensor>;
  /** What it was trained with, as far as the file tells. */
  readonly trained: Partial<MasaConfig>;
}

function parseFile(bytes: Uint8Array, name: string): Network {
  const file = isSafetensors(bytes) ? parseSafetensors(bytes, name) : undefined;
  if (file === undefined || !isCheckpoint(file)) {
    const config = file?.metadata.get(CONFIG_KEY);
    return { weights: parseWeights(bytes, name), trained: config === undefined ? {} : readConfig(config, name) };
  }
  const config = parseState(file, name)?.config;
  for (const prefix of NETWORKS) {
    const own = [...file.tensors].filter(([key]) => key.startsWith(prefix));
    const weights = new Map(own.map(([key, tensor]) => [key.slice(prefix.length), tensor]));
    if (weights.size > 0) return { weights, trained: networkConfig(config, name) };
  }
  throw new CheckpointError(`the checkpoint ${name} holds no network`, "Give one that masa train has written");
}

function readConfig(text: string, name: string): Partial<MasaConfig> {
  try {
    return networkConfig(JSON.parse(text), name);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw new CheckpointError(`${name} has a configuration that is no JSON`, "Export it again", { cause });
  }
}

/** What `config` says of the network, among what it may say of its training. */
function networkConfig(config: unknown, name: string): Partial<MasaConfig> {
  const numbers = Object.entries(currentKeys(config ?? {})).filter(([key]) => Object.hasOwn(MASA, key));
  for (const [key, value] of numbers) {
    const official = MASA[key as keyof MasaConfig];
    const isList = Array.isArray(official);
    const fits = isList ? Array.isArray(value) && value.every(Number.isFinite) : typeof value === typeof official;
    if (!fits)
      throw new CheckpointError(
        `${name} has the ${key} ${JSON.stringify(value)}, which no network can have`,
        "Give a file that masa train or masa export has written",
      );
  }
  return Object.fromEntries(numbers);
}

/** The weights as numbers. Throws `CheckpointError` for NaN and infinity: what they give is a black picture. */
export function checkedValues(weights: ReadonlyMap<string, FileTensor>, name: string): Map<string, Float32Array> {
  const values = new Map([...weights].map(([key, tensor]) => [key, tensor.toFloat32()]));
  const [broken] = [...values].find(([, data]) => !data.every(Number.isFinite)) ?? [];
  if (broken !== undefined)
    throw new CheckpointError(
      `weights ${name}: ${broken} has values that are infinite or NaN`,
      "Its training has diverged: give an earlier checkpoint",
    );
  return values;
}

/** Writes `values` into allocated parameters of their names. */
export function assign(parameters: Parameters, values: ReadonlyMap<string, Float32Array>): void {
  for (const variable of parameters.all) {
    const data = values.get(variable.name);
    if (data) parameters.write(variable, data);
  }
}
