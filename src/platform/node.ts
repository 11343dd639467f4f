/** The Node platform: Dawn through the npm package `webgpu`, and the shaders as files of this package. */
import { readFileSync } from "node:fs";
import { create } from "webgpu";
import { Device, type DeviceOptions, type Platform } from "../gpu/device.js";
import { ShaderError } from "../gpu/errors.js";

const SHADERS = new URL("../../../shaders/", import.meta.url);
const sources = new Map<string, string>();

/** Dawn as WebGPU, WGSL from `shaders/`, warnings to stderr. */
export const nodePlatform: Platform = {
  gpu: (adapter) => create(adapter ? [`adapter=${adapter}`] : []),
  shader(name) {
    let text = sources.get(name);
    if (text === undefined) {
      try {
        text = readFileSync(new URL(`${name}.wgsl`, SHADERS), "utf8");
      } catch (cause) {
        throw new ShaderError(
          `there is no shader '${name}.wgsl'`,
          "Reinstall the package: its folder shaders/ is incomplete",
          {
            cause,
          },
        );
      }
      sources.set(name, text);
    }
    return text;
  },
  warn: (message) => process.stderr.write(`masa: ${message}\n`),
};

/**
 * Opens a GPU device in Node. The adapter is the one whose name contains `options.adapter` or, without it, the
 * environment variable `MASA_ADAPTER`; otherwise the system's first. Throws `NoAdapterError`.
 */
export function openDevice(options: DeviceOptions = {}, platform: Platform = nodePlatform): Promise<Device> {
  return Device.open(platform, { ...options, adapter: options.adapter ?? (process.env.MASA_ADAPTER || undefined) });
}
