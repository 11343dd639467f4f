/** Networks out of files on this machine, and new ones. */
import { fileURLToPath } from "node:url";
import { CheckpointError } from "../files/errors.js";
import { readBytes } from "../files/read.js";
import { readWeights } from "../files/weights.js";
import { isCheckpoint } from "../formats/checkpoint.js";
import { isSafetensors, parseSafetensors } from "../formats/safetensors.js";
import { matchWeights } from "../formats/weights.js";
import type { Device } from "../gpu/device.js";
import type { Parameters } from "../graph/trace/parameters.js";
import type { MasaConfig } from "../masa/config.js";
import { Masa } from "../masa/masa.js";
import { verify } from "./checkpoint.js";
import { assign, checkedValues, type ParsedNetwork, parseNetwork, placeNetwork } from "./parse.js";

/** The weights that come with the package: those of the preset `small`. weights/README.md tells how they were made. */
export const SHIPPED_WEIGHTS = fileURLToPath(new URL("../../../weights/small.safetensors", import.meta.url));

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
  const network = await readNetwork(path, config);
  return (device) => placeNetwork(network, device);
}

/** A network that the weights of `path` fit, as yet without memory, and these. With all errors of `loadMasa`. */
export async function readNetwork(path: string, config: Partial<MasaConfig> = {}): Promise<ParsedNetwork> {
  const bytes = await readBytes(path, CheckpointError);
  const file = isSafetensors(bytes) ? parseSafetensors(bytes, path) : undefined;
  if (file && isCheckpoint(file)) verify(file, path);
  return parseNetwork(bytes, path, config);
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
