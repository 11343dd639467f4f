/** Weights of a page: from its server, or from a file that someone has chosen. */
import { CheckpointError } from "../formats/errors.js";
import type { Device } from "../gpu/device.js";
import type { MasaConfig } from "../masa/config.js";
import type { Masa } from "../masa/masa.js";
import { parseNetwork, placeNetwork } from "../models/parse.js";

/** The weights that come with the package: those of the preset `small`. */
export const SHIPPED_WEIGHTS = new URL("../../../weights/small.safetensors", import.meta.url);

/**
 * A MASA network on `device` with the weights of an address or a file (.pth, .safetensors, or a training checkpoint; by
 * default those of the package), its width and depth read from them. `config` overrides what a file cannot tell. Throws
 * `CheckpointError`, listing every tensor that does not fit.
 */
export async function loadMasa(
  device: Device,
  weights: Blob | URL | string = SHIPPED_WEIGHTS,
  config: Partial<MasaConfig> = {},
): Promise<Masa> {
  const file = weights instanceof Blob ? weights : await fetchFile(weights);
  const name = file instanceof File ? file.name : weights instanceof Blob ? "the file" : String(weights);
  return placeNetwork(parseNetwork(new Uint8Array(await file.arrayBuffer()), name, config), device);
}

async function fetchFile(address: URL | string): Promise<Blob> {
  let problem: string;
  try {
    const response = await fetch(address);
    if (response.ok) return await response.blob();
    problem = `the server says ${response.status} ${response.statusText}`.trim();
  } catch (cause) {
    problem = cause instanceof Error ? cause.message : String(cause);
  }
  throw new CheckpointError(`${address} cannot be fetched: ${problem}`, "Check the address and the connection");
}
