/** The Node platform: Dawn through the npm package `webgpu`, and the shaders as files of this package. */
import { readFileSync } from "node:fs";
import { Device, type DeviceOptions, type Platform } from "../gpu/device.js";
import { NoAdapterError, ShaderError } from "../gpu/errors.js";
import { pacePolling } from "./polling.js";
import { keptChoices } from "./tuning.js";

const SHADERS = new URL("../../../shaders/", import.meta.url);
const sources = new Map<string, string>();

const NO_ADAPTER =
  "'masa doctor' lists what this machine has; on Debian and Ubuntu 'npm run setup' installs a software driver";

/** Dawn as WebGPU, WGSL from `shaders/`, warnings to stderr. */
export const nodePlatform: Platform = {
  gpu: dawnGpu,
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
  noAdapterAdvice: NO_ADAPTER,
};

/** A browser's measure against spying: it rounds timestamps to 65.5 µs, longer than a GPU takes for many a dispatch. */
const EXACT_TIMESTAMPS = "disable-dawn-features=timestamp_quantization";

/**
 * Dawn's entry points by the adapter's name. One serves all devices on it: each entry point starts threads that end only
 * when JavaScript collects it.
 */
const instances = new Map<string | undefined, GPU>();

/** Dawn on the adapter with `wanted` in its name. Throws `NoAdapterError`. */
async function dawnGpu(wanted: string | undefined): Promise<GPU> {
  const create = await dawn();
  const instance = (name: string | undefined) => {
    let gpu = instances.get(name);
    if (!gpu) {
      gpu = create([...(name === undefined ? [] : [`adapter=${name}`]), EXACT_TIMESTAMPS]);
      instances.set(name, gpu);
    }
    return gpu;
  };
  if (wanted === undefined) return instance(undefined);
  const names = await adapterNames();
  const name = names.find((candidate) => candidate.toLowerCase().includes(wanted.toLowerCase()));
  if (name === undefined)
    throw new NoAdapterError(
      `no GPU adapter has '${wanted}' in its name`,
      `There are: ${names.join("; ") || "none"}. ${NO_ADAPTER}`,
    );
  return instance(name);
}

/** Dawn's entry point, from a binary that exists for some platforms only. */
async function dawn() {
  try {
    return (await import("webgpu")).create;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const what = `the npm package webgpu does not load on ${process.platform} ${process.arch}: ${reason}`;
    throw new NoAdapterError(
      what,
      "Run 'npm ci' again; there are binaries for Linux and Windows (x64, arm64) and macOS",
      { cause },
    );
  }
}

/** The names of all adapters. Dawn tells them only in the error about one that it does not have. */
export async function adapterNames(): Promise<string[]> {
  const create = await dawn();
  try {
    await create(["adapter=no such adapter"]).requestAdapter();
  } catch (error) {
    return [...String(error).matchAll(/name: '([^']*)'/g)].map(([, name]) => name as string);
  }
  return [];
}

/** How `openDevice` opens a device in Node. */
export interface OpenOptions extends DeviceOptions {
  /**
   * Whether to take the variants of kernels that `masa tune` found on this adapter (tuning.ts); default yes, unless the
   * environment variable `MASA_TUNING` is `off`. They fix the order of sums: without them, all machines of one kind round
   * alike.
   */
  readonly tuning?: boolean | undefined;
  /**
   * Whether to call `pacePolling` first: while the GPU works, Dawn then takes a few percent of a CPU core instead of all of
   * it. It replaces `globalThis.setImmediate`. Default false; the `masa` command does it.
   */
  readonly pacePolling?: boolean | undefined;
}

/**
 * Opens a GPU device in Node. The adapter is the one whose name contains `options.adapter` or, without it, the
 * environment variable `MASA_ADAPTER`; otherwise the system's first. Throws `NoAdapterError`.
 */
export async function openDevice(
  { tuning = process.env.MASA_TUNING !== "off", pacePolling: pace = false, ...options }: OpenOptions = {},
  platform: Platform = nodePlatform,
): Promise<Device> {
  if (pace) pacePolling();
  const adapter = options.adapter ?? (process.env.MASA_ADAPTER || undefined);
  const device = await Device.open(platform, { ...options, adapter });
  if (tuning) for (const [key, variant] of await keptChoices(device)) device.choices.set(key, variant);
  return device;
}
