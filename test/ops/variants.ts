/** Runs what there is to test with every variant of its kernels. */
import type { Choice } from "../../src/kernels/kernel.js";

/** What a run gave, and the choices that its plan made (`plan.choices`). */
export interface Turn {
  readonly choices: readonly Choice[];
}

/** `run` with the default variant of each kernel, with the second of each, and so on until all have had their turn. */
export async function everyVariant<T extends Turn>(
  run: (choices: ReadonlyMap<string, string>) => Promise<T>,
): Promise<T[]> {
  const turns: T[] = [];
  let most = 1;
  let forced = new Map<string, string>();
  for (let turn = 0; turn < most; turn++) {
    const done = await run(forced);
    const { choices } = done;
    turns.push(done);
    most = Math.max(most, ...choices.map(({ candidates }) => candidates.length));
    forced = new Map(choices.map(({ key, candidates }) => [key, candidates[turn + 1] ?? (candidates[0] as string)]));
  }
  return turns;
}

/** For messages: the variants that a turn took. */
export function taken({ choices }: Turn): string {
  return choices.map((choice) => choice.taken).join(", ") || "the only variant";
}
