/** Weights between files and networks on the GPU. */
import { CheckpointError } from "../files/errors.js";
import { readBytes } from "../files/read.js";
import { isSafetensors, parseSafetensors, writeSafetensors } from "../files/safetensors.js";
import { FileTensor } from "../files/tensor.js";
import { matchWeights, parseWeights, readWeights } from "../files/weights.js";
import type { Device } from "../gpu/device.js";
import type { Parameters } from "../graph/parameters.js";
import { configOf, MASA, type MasaConfig } from "../masa/config.js";
import { Masa } from "../masa/masa.js";
import { type Checkpoint, isCheckpoint, verify } from "./checkpoint.js";

/** Where a training checkpoint keeps the network: the running average of its weights is the better one. */
const NETWORKS = ["average/", "generator/"];

/** Buffers of PyTorch's batch norm that only count; no computation reads them. */
const COUNTER = /(^|\.)num_batches_tracked$/;

/**
 * A MASA network on `device` with the weights of `path` (.pth, .safetensors, or a training checkpoint), its width and
 * depth read from them, and all its numbers where the file is a checkpoint.
 * `config` overrides what a file cannot tell. Throws `CheckpointError`, listing every tensor that does not fit.
 */
export async function loadMasa(device: Device, path: string, config: Partial<MasaConfig> = {}): Promise<Masa> {
  return (await readMasa(path, config))(device);
}

/** The part of `loadMasa` that needs no GPU, with all its errors; the function it gives does the rest. */
export async function readMasa(
  path: string,
  config: Partial<MasaConfig> = {},
): Promise<(device: Device) => Promise<Masa>> {
  const { weights, trained } = readNetwork(await readBytes(path, CheckpointError), path);
  const masa = new Masa({ ...configOf(weights), ...trained, ...config });
  matchWeights(masa.parameters.all, weights, path);
  const values = checkedValues(weights, path);
  return async (device) => {
    await masa.parameters.allocate(device);
    assign(masa.parameters, values);
    return masa;
  };
}

interface Network {
  readonly weights: Map<string, FileTensor>;
  /** What it was trained with, as far as the file tells. */
  readonly trained: Partial<MasaConfig>;
}

function readNetwork(bytes: Uint8Array, path: string): Network {
  const file = isSafetensors(bytes) ? parseSafetensors(bytes, path) : undefined;
  if (file === undefined || !isCheckpoint(file)) return { weights: parseWeights(bytes, path), trained: {} };
  const { tensors, state } = verify(file, path);
  for (const prefix of NETWORKS) {
    const own = [...tensors].filter(([name]) => name.startsWith(prefix));
    const weights = new Map(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
    if (weights.size > 0) return { weights, trained: savedConfig(state, path) };
  }
  throw new CheckpointError(`the checkpoint ${path} holds no network`, "Give one that masa train has written");
}

/** What `state.config` says of the network, among what it says of the training. */
function savedConfig({ config }: Checkpoint["state"], path: string): Partial<MasaConfig> {
  const numbers = Object.entries(config ?? {}).filter(([key]) => Object.hasOwn(MASA, key));
  for (const [key, value] of numbers) {
    const official = MASA[key as keyof MasaConfig];
    const isList = Array.isArray(official);
    const fits = isList ? Array.isArray(value) && value.every(Number.isFinite) : typeof value === typeof official;
    if (!fits)
      throw new CheckpointError(
        `the checkpoint ${path} has the ${key} ${JSON.stringify(value)}, which no network can have`,
        "Give one that masa train has written",
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
