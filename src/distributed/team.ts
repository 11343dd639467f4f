/** The ranks as the processes of a training run. */
import type { Team } from "../train/team.js";
import { RankError } from "./errors.js";
import { RankGradients } from "./gradients.js";
import type { Ranks } from "./ranks.js";

/** The ranks as a team. */
export function teamOf(ranks: Ranks): Team {
  return {
    rank: ranks.rank,
    size: ranks.size,
    share: (value) => ranks.share(value),
    together: (work) => ranks.together(work),
    any: (flag) => ranks.any(flag),
    async compare(given) {
      const identity = typeof given === "function" ? await ranks.together(given) : given;
      const [first, ...others] = (await ranks.gather(identity)) as [typeof identity, ...(typeof identity)[]];
      for (const [i, other] of others.entries()) {
        const differing = [...new Set([...Object.keys(first), ...Object.keys(other)])].find(
          (what) => first[what] !== other[what],
        );
        if (differing !== undefined) throw difference(ranks, i + 1, differing, first[differing], other[differing]);
      }
    },
    gradientSum: (parameters, options) => new RankGradients(ranks, parameters, options),
  };
}

function difference(ranks: Ranks, rank: number, what: string, first = "none", other = "none"): RankError {
  return new RankError(
    `the ${what} of ${ranks.describe(rank)} is not that of rank 0: ${brief(other)} instead of ${brief(first)}`,
    "All ranks need the same package, data and kind of adapter; if parameters differ, resume from the last checkpoint",
  );
}

const LONGEST = 200;
function brief(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
