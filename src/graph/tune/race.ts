/**
 * Which of several candidates is the fastest, from times that are noisy. The candidates take turns, so that what else the
 * machine does meanwhile meets them all; the hopeless ones leave early, as in tinygrad's search (codegen/opt/search.py:
 * past three times the best). The first candidate is the default: it stays unless another is clearly faster.
 */

/** Rounds of a race. */
const ROUNDS = 5;
/** How many times the best's time a candidate may take after the first round, and after each later one. */
const LIMITS = [3, 1.5];
/** What another candidate's time must be below, as a part of the default's. */
const GAIN = 0.95;
/** Of 5 rounds, those that it must win against the default: by chance, equals do so in 1 of 5 races at most. */
const WINS = 0.8;

export interface Race {
  readonly winner: string;
  /** The times of each candidate in its rounds, the default first; one that left early has fewer. */
  readonly times: ReadonlyMap<string, readonly number[]>;
}

/**
 * Lets `candidates`, the default first, take turns; `sample` runs one and gives its time. Ends without a result where
 * `ended` says so between two samples.
 */
export async function race(
  candidates: readonly string[],
  sample: (candidate: string) => Promise<number>,
  ended: () => boolean = () => false,
): Promise<Race | undefined> {
  const times = new Map(candidates.map((name) => [name, [] as number[]]));
  const [usual] = candidates as [string];
  let racing = candidates;
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of racing) {
      if (ended()) return undefined;
      times.get(name)?.push(await sample(name));
    }
    const least = (name: string) => Math.min(...(times.get(name) as number[]));
    const limit = Math.min(...racing.map(least)) * (LIMITS[Math.min(round, LIMITS.length - 1)] as number);
    racing = racing.filter((name) => name === usual || least(name) <= limit);
    if (racing.length === 1) break;
  }
  return { winner: winner(usual, times), times };
}

function winner(usual: string, times: ReadonlyMap<string, readonly number[]>): string {
  const before = times.get(usual) as readonly number[];
  let best = usual;
  for (const [name, now] of times) {
    if (now.length < ROUNDS) continue;
    const wins = now.filter((time, round) => time < (before[round] as number)).length;
    const faster = median(now) < GAIN * median(before) && wins >= WINS * ROUNDS;
    if (faster && median(now) < median(times.get(best) as readonly number[])) best = name;
  }
  return best;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] as number) + (sorted[sorted.length >> 1] as number)) / 2;
}
