/**
 * What can go wrong on the GPU, each as a class of its own whose message says what happened, where, and what to do next.
 * The lowest floor holds them so that every floor above can throw and catch them.
 */

import { MasaError } from "../errors.js";

/** Base of all errors of the GPU and its driver. */
export class GpuError extends MasaError {
  override readonly name: string = "GpuError";
}

/** No adapter, or none of the wanted name. */
export class NoAdapterError extends GpuError {
  override readonly name = "NoAdapterError";
}

/** The device is gone: driver reset, unplugged, or closed while in use. */
export class DeviceLostError extends GpuError {
  override readonly name = "DeviceLostError";
}

/** The device, or the cap given to `openDevice`, has no room for a tensor. */
export class OutOfGpuMemoryError extends GpuError {
  override readonly name = "OutOfGpuMemoryError";
  constructor(
    readonly tensor: string,
    readonly neededBytes: number,
    readonly usedBytes: number,
    readonly capBytes?: number,
    advice = capBytes === undefined
      ? "Use a smaller batch, a smaller image or a smaller reference, or close other programs that use the GPU"
      : "Use a smaller batch, a smaller image or a smaller reference, or raise the limit",
  ) {
    const cap = capBytes === undefined ? "" : ` of ${formatBytes(capBytes)} allowed`;
    super(
      `out of GPU memory: ${tensor} needs ${formatBytes(neededBytes)}, ${formatBytes(usedBytes)}${cap} are in use`,
      advice,
    );
  }
}

/** Something is larger than this adapter allows. */
export class LimitError extends GpuError {
  override readonly name = "LimitError";
}

/** A WGSL file does not compile or does not fit the way it is called. */
export class ShaderError extends GpuError {
  override readonly name = "ShaderError";
}

/** WebGPU refused a command: a mistake in this library, never in the caller's data. */
export class ValidationError extends GpuError {
  override readonly name = "ValidationError";
}

/** A tensor has a shape, or an element type, that an operation cannot use. */
export class ShapeError extends MasaError {
  override readonly name = "ShapeError";
  constructor(
    readonly operation: string,
    readonly argument: string,
    problem: string,
    advice = "Shapes are [N, C, H, W] unless the operation says otherwise",
  ) {
    super(`${operation}: ${argument} ${problem}`, advice);
  }
}

/** 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}
