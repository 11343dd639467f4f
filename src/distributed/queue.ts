/**
 * Items of a list for whichever rank is free. Rank 0 hands them out while it works itself; a rank asks for its next item
 * when it has finished one, so a large image holds up nobody else. Results go to rank 0.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Workforce } from "../data/workforce.js";
import { RankError } from "./errors.js";
import type { Ranks } from "./ranks.js";

/** From a rank to rank 0: what came of its last item, if there was one. Another item is the answer. */
interface Report {
  readonly result?: { readonly index: number; readonly value: unknown };
  /** The rank cannot go on. */
  readonly failure?: string;
}

/** From rank 0: the next item, or that there are no more. */
interface Assignment {
  readonly index?: number;
}

/** Milliseconds between two looks for reports. */
const POLL = 2;

/** The ranks as a workforce. */
export function workforceOf(ranks: Ranks): Workforce {
  return {
    chief: ranks.rank === 0,
    alone: false,
    async each<R>(
      count: number,
      work: (index: number) => Promise<R>,
      onResult: (index: number, result: R) => void | Promise<void>,
    ): Promise<void> {
      const failure = await (ranks.rank === 0
        ? handOut(ranks, count, work, (index, value) => onResult(index, value as R))
        : labour(ranks, work));
      await ranks.together(() => {
        if (failure) throw failure.error;
      });
    },
    share: (value) => ranks.share(value),
    together: (work) => ranks.together(work),
  };
}

type Failure = { readonly error: unknown };

async function handOut(
  ranks: Ranks,
  count: number,
  work: (index: number) => Promise<unknown>,
  onResult: (index: number, value: unknown) => void | Promise<void>,
): Promise<Failure | undefined> {
  let failure: Failure | undefined;
  let next = 0;
  const take = () => (failure === undefined && next < count ? next++ : undefined);
  const attempt = async (step: () => unknown) => {
    try {
      await step();
    } catch (error) {
      failure ??= { error };
    }
  };
  const own = async () => {
    for (let index = take(); index !== undefined; index = take()) {
      const mine = index;
      await attempt(async () => await onResult(mine, await work(mine)));
    }
  };
  const answer = async () => {
    for (let others = ranks.size - 1; others > 0; ) {
      const message = await ranks.take();
      if (!message) {
        await pause(POLL);
        continue;
      }
      const { result, failure: text } = message.value as Report;
      if (text !== undefined) {
        failure ??= { error: new RankError(`${ranks.describe(message.from)} failed`, `It reports: ${text}`) };
        others--;
        continue;
      }
      if (result) await attempt(() => onResult(result.index, result.value));
      const index = take();
      await ranks.post(message.from, (index === undefined ? {} : { index }) satisfies Assignment);
      if (index === undefined) others--;
    }
  };
  await Promise.all([own(), answer()]);
  return failure;
}

async function labour(ranks: Ranks, work: (index: number) => Promise<unknown>): Promise<Failure | undefined> {
  let report: Report = {};
  for (;;) {
    await ranks.post(0, report);
    const { index } = (await ranks.expect(0)) as Assignment;
    if (index === undefined) return undefined;
    try {
      report = { result: { index, value: await work(index) } };
    } catch (error) {
      await ranks.post(0, { failure: error instanceof Error ? error.message : String(error) } satisfies Report);
      return { error };
    }
  }
}
