/** How the commands use the tuner: with a bar, and what it finds is kept. */
import type { Command } from "commander";
import { OutputError } from "../files/errors.js";
import type { Device } from "../gpu/device.js";
import type { PlanChoice } from "../graph/plan/plan.js";
import type { Tuned } from "../graph/tune/tune.js";
import { Progress, wholeNumber } from "./command.js";

/**
 * Makes the choices that were not made before, within so many seconds or until the signal is aborted; `device` takes them,
 * and they are kept for later runs. Throws `OutputError` where they cannot be kept.
 */
export async function tuneAndKeep(
  device: Device,
  asked: readonly PlanChoice[],
  seconds: number,
  signal: AbortSignal,
): Promise<Tuned[]> {
  const { tune } = await import("../graph/tune/tune.js");
  const { keepChoices } = await import("../platform/tuning.js");
  const progress = new Progress();
  try {
    const tuned = await tune(device, asked, {
      ...{ budget: 1000 * seconds, signal },
      onProgress: ({ done, total }) => progress.update("tune", done, total),
      // Where the adapter is the CPU, the time that the CPU works is not disturbed by what else it does.
      ...(device.info.software && { clock: workingTime }),
    });
    for (const { key, chosen } of tuned) device.choices.set(key, chosen);
    if (tuned.length > 0) await keepChoices(device);
    return tuned;
  } finally {
    progress.stop();
  }
}

/** The option of commands that tune for just what they are about to do. */
export function tuneOption(command: Command): Command {
  return command.option(
    "--tune <seconds>",
    "first search so long for the fastest variants of the kernels (see 'masa tune')",
    wholeNumber(1),
  );
}

/** `tuneAndKeep` before a job, which does not fail where the choices cannot be kept. */
export async function tuneFirst(...[device, asked, seconds, signal]: Parameters<typeof tuneAndKeep>): Promise<void> {
  await tuneAndKeep(device, asked, seconds, signal).catch((error: unknown) => {
    if (!(error instanceof OutputError)) throw error;
    process.stderr.write(`masa: what the tuner found is not kept: ${error.message}\n`);
  });
  signal.throwIfAborted();
}

/** Milliseconds that this process has worked, on all cores together. */
function workingTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
