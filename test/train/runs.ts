/** Training runs of a network so small that a step takes milliseconds. */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Device } from "../../src/gpu/device.js";
import { readCheckpoint } from "../../src/models/checkpoint.js";
import type { TrainChanges } from "../../src/train/config.js";
import { type MetricsRecord, readMetrics } from "../../src/train/log/metrics.js";
import { type TrainOptions, type TrainSummary, train } from "../../src/train/run.js";

export const SMALLEST = {
  ...{ channels: 4, encoderBlocks: [0, 0, 0], decoderBlocks: [0, 0, 0, 0, 0, 0], size: 32, batch: 2 },
  ...{ lr: 1e-2, schedule: "constant", epochs: 1000, geometryFrom: 0, workers: 1 },
  ...{ discriminatorChannels: 4, validateCases: 1, validateEvery: 4, checkpointEvery: 3 },
} as const satisfies TrainChanges;

export type RunOptions = Partial<Omit<TrainOptions, "config" | "out">>;

/** A run of the smallest network with some changes; one that is resumed is told the changes only. */
export function run(
  device: Device,
  out: string,
  changes: TrainChanges,
  options: RunOptions = {},
): Promise<TrainSummary> {
  return train(device, { out, config: options.resume ? changes : { ...SMALLEST, ...changes }, ...options });
}

/** Stops the run at each of the steps and resumes it, then lets it end. */
export async function runWithStops(
  device: Device,
  out: string,
  changes: TrainChanges,
  stops: readonly number[],
): Promise<TrainSummary> {
  for (const [i, stop] of stops.entries()) {
    const controller = new AbortController();
    const onStep = ({ step }: { step: number }) => void (step === stop && controller.abort());
    const options = { signal: controller.signal, onStep, resume: i > 0 };
    const { step, stopped } = await run(device, out, i > 0 ? {} : changes, options);
    if (step !== stop || !stopped) throw new Error(`the run did not stop at step ${stop}, but at ${step}`);
  }
  return run(device, out, {}, { resume: true });
}

/** SHA-256 of all tensors in a checkpoint, with their names. */
export async function digestOf(path: string): Promise<string> {
  const { tensors } = await readCheckpoint(path);
  const hash = createHash("sha256");
  for (const [name, { dtype, shape, data }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1)))
    hash.update(JSON.stringify([name, dtype, shape])).update(data as Uint8Array);
  return hash.digest("hex");
}

/** `metrics.jsonl` of a run but for what depends on the clock. */
export async function figuresOf(out: string): Promise<MetricsRecord[]> {
  const figures = await readMetrics(join(out, "metrics.jsonl"));
  return figures.map(({ imagesPerSecond: _, ...rest }) => rest);
}

/** Names of the temporary files below. */
export function temporaryFiles(out: string): string[] {
  const names = readdirSync(out, { recursive: true }) as string[];
  return names.filter((name) => name.endsWith(".tmp"));
}
