/** Times of plans that are to be compared. */
import type { Device } from "../gpu/device.js";
import type { Data, Plan } from "../graph/plan/plan.js";

export interface Timed {
  readonly plan: Plan;
  readonly data: Readonly<Record<string, Data>>;
}

/**
 * The least milliseconds of each plan in `rounds` runs, taken in turns after one that does not count, so that what else the
 * machine does meets all alike. A software adapter's are those of this process on all cores, whoever else uses them.
 */
export async function timePlans(
  device: Device,
  timed: readonly Timed[],
  rounds: number,
  signal: AbortSignal,
): Promise<number[]> {
  const least = timed.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, { plan, data }] of timed.entries()) {
      signal.throwIfAborted();
      plan.write(data);
      await device.finish();
      const time = clock(device);
      await plan.replay();
      await device.finish();
      if (round > 0) least[i] = Math.min(least[i] as number, time());
    }
  }
  return least;
}

/** What `timePlans` measures. */
export function clockName({ info }: Device): string {
  return info.software ? "CPU time" : "time";
}

function clock({ info }: Device): () => number {
  const begun = performance.now();
  const cpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return info.software ? (user + system) / 1e3 : performance.now() - begun;
  };
}
