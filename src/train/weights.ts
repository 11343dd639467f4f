/** Weights between files and networks on the GPU. */
import { CheckpointError } from "../files/errors.js";
import { writeSafetensors } from "../files/safetensors.js";
import { FileTensor } from "../files/tensor.js";
import { matchWeights, readWeights } from "../files/weights.js";
import type { Device } from "../gpu/device.js";
import type { Parameters } from "../graph/parameters.js";
import { configOf, type MasaConfig } from "../masa/config.js";
import { Masa } from "../masa/masa.js";

/** Buffers of PyTorch's batch norm that only count; no computation reads them. */
const COUNTER = /(^|\.)num_batches_tracked$/;

/**
 * A MASA network on `device` with the weights of `path` (.pth or .safetensors), its width and depth read from them.
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
  const weights = await readWeights(path);
  const masa = new Masa({ ...configOf(weights), ...config });
  matchWeights(masa.parameters.all, weights, path);
  const values = checkedValues(weights, path);
  return async (device) => {
    await masa.parameters.allocate(device);
    assign(masa.parameters, values);
    return masa;
  };
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
function checkedValues(weights: ReadonlyMap<string, FileTensor>, path: string): Map<string, Float32Array> {
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
