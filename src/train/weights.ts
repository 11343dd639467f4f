/** Weights between files and networks on the GPU. */
import { fileURLToPath } from "node:url";
import { CheckpointError } from "../files/errors.js";
import { readBytes } from "../files/read.js";
import { isSafetensors, parseSafetensors, writeSafetensors } from "../files/safetensors.js";
import { FileTensor } from "../files/tensor.js";
import { matchWeights, parseWeights, readWeights } from "../files/weights.js";
import type { Device } from "../gpu/device.js";
import type { Parameters } from "../graph/parameters.js";
import { configOf, MASA, type MasaConfig } from "../masa/config.js";
import { Masa } from "../masa/masa.js";
import { isCheckpoint, verify } from "./checkpoint.js";

/** Where a training checkpoint keeps the network: the running average of its weights is the better one. */
const NETWORKS = ["average/", "generator/"];

/** The weights that come with the package: those of the preset `small`. weights/README.md tells how they were made. */
export const SHIPPED_WEIGHTS = fileURLToPath(new URL("../../../weights/small.safetensors", import.meta.url));

/** Where the metadata of an exported file have what its tensors do not tell of the network. */
export const CONFIG_KEY = "masa";

/** Buffers of PyTorch's batch norm that only count; no computation reads them. */
const COUNTER = /(^|\.)num_batches_tracked$/;

/**
 * A MASA network on `device` with the weights of `path` (.pth, .safetensors, or a training checkpoint; by default those
 * of the package), its width and depth read from them, and all its numbers where the file is a checkpoint or exported
 * from one. `config` overrides what a file cannot tell. Throws `CheckpointError`, listing every tensor that does not fit.
 */
export async function loadMasa(
  device: Device,
  path = SHIPPED_WEIGHTS,
  config: Partial<MasaConfig> = {},
): Promise<Masa> {
  return (await readMasa(path, config))(device);
}

/** The part of `loadMasa` that needs no GPU, with all its errors; the function it gives does the rest. */
export async function readMasa(
  path: string,
  config: Partial<MasaConfig> = {},
): Promise<(device: Device) => Promise<Masa>> {
  const { masa, values } = await readNetwork(path, config);
  return async (device) => {
    await masa.parameters.allocate(device);
    assign(masa.parameters, values);
    return masa;
  };
}

/** A network that the weights of `path` fit, as yet without memory, and these. With all errors of `loadMasa`. */
export async function readNetwork(path: string, config: Partial<MasaConfig> = {}) {
  const { weights, trained } = parseNetwork(await readBytes(path, CheckpointError), path);
  const masa = new Masa({ ...configOf(weights), ...trained, ...config });
  matchWeights(masa.parameters.all, weights, path);
  return { masa, values: checkedValues(weights, path) };
}

interface Network {
  readonly weights: Map<string, FileTensor>;
  /** What it was trained with, as far as the file tells. */
  readonly trained: Partial<MasaConfig>;
}

function parseNetwork(bytes: Uint8Array, path: string): Network {
  const file = isSafetensors(bytes) ? parseSafetensors(bytes, path) : undefined;
  if (file === undefined || !isCheckpoint(file)) {
    const config = file?.metadata.get(CONFIG_KEY);
    return { weights: parseWeights(bytes, path), trained: config === undefined ? {} : readConfig(config, path) };
  }
  const { tensors, state } = verify(file, path);
  for (const prefix of NETWORKS) {
    const own = [...tensors].filter(([name]) => name.startsWith(prefix));
    const weights = new Map(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
    if (weights.size > 0) return { weights, trained: networkConfig(state.config, path) };
  }
  throw new CheckpointError(`the checkpoint ${path} holds no network`, "Give one that masa train has written");
}

function readConfig(text: string, path: string): Partial<MasaConfig> {
  try {
    return networkConfig(JSON.parse(text), path);
  } catch (cause) {
    if (cause instanceof CheckpointError) throw cause;
    throw new CheckpointError(`${path} has a configuration that is no JSON`, "Export it again", { cause });
  }
}

/** What `config` says of the network, among what it may say of its training. */
function networkConfig(config: unknown, path: string): Partial<MasaConfig> {
  const numbers = Object.entries(config ?? {}).filter(([key]) => Object.hasOwn(MASA, key));
  for (const [key, value] of numbers) {
    const official = MASA[key as keyof MasaConfig];
    const isList = Array.isArray(official);
    const fits = isList ? Array.isArray(value) && value.every(Number.isFinite) : typeof value === typeof official;
    if (!fits)
      throw new CheckpointError(
        `${path} has the ${key} ${JSON.stringify(value)}, which no network can have`,
        "Give a file that masa train or masa export has written",
      );
  }
  return Object.fromEntries(numbers);
}

/** A MASA network on `device` with the official first weights, drawn from `seed`: it has learned nothing yet. */
export async function untrainedMasa(device: Device, config: Partial<MasaConfig> = {}, seed = 0): Promise<Masa> {
  const masa = new Masa(config);
  await masa.parameters.allocate(device, seed);
  return masa;
}

/** Fills allocated `parameters` from a file. Throws `CheckpointError`, listing every tensor that does not fit. */
export async function loadParameters(parameters: Parameters, path: string): Promise<void> {
  const weights = await readWeights(path);
  for (const name of weights.keys()) if (COUNTER.test(name)) weights.delete(name);
  matchWeights(parameters.all, weights, path);
  assign(parameters, checkedValues(weights, path));
}

/** The weights as numbers. Throws `CheckpointError` for NaN and infinity: what they give is a black picture. */
export function checkedValues(weights: ReadonlyMap<string, FileTensor>, path: string): Map<string, Float32Array> {
  const values = new Map([...weights].map(([name, tensor]) => [name, tensor.toFloat32()]));
  const [broken] = [...values].find(([, data]) => !data.every(Number.isFinite)) ?? [];
  if (broken !== undefined)
    throw new CheckpointError(
      `weights ${path}: ${broken} has values that are infinite or no number`,
      "Its training has diverged: give an earlier checkpoint",
    );
  return values;
}

function assign(parameters: Parameters, values: ReadonlyMap<string, Float32Array>): void {
  for (const variable of parameters.all) {
    const data = values.get(variable.name);
    if (data) parameters.write(variable, data);
  }
}

/** Writes all variables as float32 safetensors under their official names. The file is complete or absent. */
export async function saveParameters(parameters: Parameters, path: string): Promise<void> {
  const tensors = new Map<string, FileTensor>();
  for (const variable of parameters.all)
    tensors.set(variable.name, FileTensor.of("F32", variable.shape, await parameters.read(variable)));
  await writeSafetensors(path, tensors);
}
