/**
 * What can go wrong on the GPU, each as a class of its own whose message says what happened, where, and what to do next.
 * The lowest floor holds them so that every floor above can throw and catch them.
 */

/** Base of all errors of the runtime. `advice` is the remedy; it is also the last sentence of `message`. */
export class GpuError extends Error {
  override readonly name: string = "GpuError";
  constructor(
    what: string,
    readonly advice: string,
    options?: ErrorOptions,
  ) {
    super(`${what}. ${advice}`, options);
  }
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
  ) {
    const cap = capBytes === undefined ? "" : ` of ${formatBytes(capBytes)} allowed`;
    super(
      `out of GPU memory: ${tensor} needs ${formatBytes(neededBytes)}, ${formatBytes(usedBytes)}${cap} are in use`,
      "Use a smaller batch, a smaller image or a smaller reference, or close other programs that use the GPU",
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

/** An argument of an operation has a shape, type or value that it cannot take. */
export class ShapeError extends GpuError {
  override readonly name = "ShapeError";
  constructor(
    readonly operation: string,
    readonly argument: string,
    problem: string,
  ) {
    super(`${operation}: ${argument} ${problem}`, "Check the shapes handed in: they are N, C, H, W");
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
