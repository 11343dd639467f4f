/** What a handful of times on a noisy machine allow to say. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle] as number;
  return ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/**
 * An interval that holds the true median with a probability of 95 % or more, whatever the distribution: from the k-th
 * smallest to the k-th largest value, k as large as the binomial distribution allows (the sign test's interval). Below
 * six values even the smallest and the largest do not reach 95 %; they are returned all the same.
 */
export function medianInterval(values: readonly number[]): [low: number, high: number] {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  let outside = 0;
  let k = 0;
  // P(fewer than k + 1 of n values are below the median), both sides.
  for (let chance = 2 * 0.5 ** n; outside + chance <= 0.05; chance *= (n - k + 1) / k) {
    outside += chance;
    k++;
  }
  const i = Math.max(0, k - 1);
  return [sorted[i] as number, sorted[n - 1 - i] as number];
}

export type Verdict = "faster" | "slower" | "no difference" | "too few rounds";

export interface Comparison {
  /** Median before ÷ median now: above 1 it became faster. */
  readonly ratio: number;
  /** What the ratio may be, given how far the rounds spread. */
  readonly low: number;
  readonly high: number;
  readonly verdict: Verdict;
}

/** With three rounds each, equal work lies apart in one comparison out of ten; with four, in one out of 35. */
const LEAST_ROUNDS = 4;
/** All of n paired rounds go one way by chance in one comparison out of 2ⁿ⁻¹. */
const LEAST_PAIRS = 6;

/** Compares the times of the same work in two runs. */
export function compareTimes(before: readonly number[], now: readonly number[]): Comparison {
  const [oldLow, oldHigh] = medianInterval(before);
  const [newLow, newHigh] = medianInterval(now);
  const bounds = { ratio: median(before) / median(now), low: oldLow / newHigh, high: oldHigh / newLow };
  return { ...bounds, verdict: verdict(bounds, Math.min(before.length, now.length) >= LEAST_ROUNDS) };
}

/** Compares times taken in the same rounds: what slows a round down slows both, and their ratio stays. */
export function compareRounds(before: readonly number[], now: readonly number[]): Comparison {
  const ratios = before.map((time, round) => time / (now[round] as number));
  const [low, high] = medianInterval(ratios);
  const bounds = { ratio: median(ratios), low, high };
  return { ...bounds, verdict: verdict(bounds, ratios.length >= LEAST_PAIRS) };
}

function verdict({ low, high }: { low: number; high: number }, enough: boolean): Verdict {
  if (!enough) return "too few rounds";
  if (low > 1) return "faster";
  return high < 1 ? "slower" : "no difference";
}
