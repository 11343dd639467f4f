/** Runs what there is to test with every variant of its kernels. */
import type { Choice } from "../../../src/kernels/kernel.js";

/** What a run gave, and the choices that its plan made (`plan.choices`). */
export interface Turn {
  readonly choices: readonly Choice[];
}

/**
 * `run` with the default variant of each kernel, with the second of each, and so on until all have had their turn, or those
 * that match `only`.
 */
export async function everyVariant<T extends Turn>(
  run: (choices: ReadonlyMap<string, string>) => Promise<T>,
  only = /./,
): Promise<T[]> {
  const turns = [await run(new Map())];
  for (let turn = 1; ; turn++) {
    const choices = turns.flatMap((done) => done.choices);
    const forced = choices.map(({ key, candidates }) => [key, candidates[turn] ?? (candidates[0] as string)] as const);
    const left = choices.map(({ candidates }) => candidates[turn]).filter((id) => id !== undefined);
    if (left.length === 0) return turns;
    if (left.some((id) => only.test(id))) turns.push(await run(new Map(forced)));
  }
}

/** For messages: the variants that a turn took. */
export function taken({ choices }: Turn): string {
  return choices.map((choice) => choice.taken).join(", ") || "the only variant";
}

/**
 * Σ|terms| by which the rounding errors of a turn are bounded. Winograd's convolution computes an element from all
 * inputs of its tile, so that it has the errors of neighbours with larger terms, times what the transforms amplify them: for
 * the points 0, ±5/8, ±3/2, ∞ the largest row sum of |Aᵀ|·(|G|·1 ⊙ |Bᵀ|·1) is 23.7, of the direct sum 3. That factor of 8 holds
 * for the worst signs along one side of the tile, and is ample for random ones along both.
 */
export function errorScale(turn: Turn, magnitude: ArrayLike<number>): (i: number) => number {
  if (!taken(turn).includes("winograd")) return (i) => magnitude[i] as number;
  let largest = 0;
  for (let i = 0; i < magnitude.length; i++) largest = Math.max(largest, magnitude[i] as number);
  return () => 8 * largest;
}
