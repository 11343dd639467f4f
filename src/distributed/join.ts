/** The ranks of an MPI job for programs: `joinRanks` and what the library's functions take of it. */
import type { Workforce } from "../data/workforce.js";
import type { Team } from "../train/team.js";
import { launchOf } from "./launcher.js";

/** This process among the ranks of an MPI job. */
export interface JoinedRanks {
  readonly rank: number;
  readonly size: number;
  /** Rank among the processes of this host. */
  readonly localRank: number;
  /** For `train`. */
  readonly team: Team;
  /** For `upscaleBatch` and `evaluate`. */
  readonly workforce: Workforce;
  /**
   * Ends this rank's part: waits for the other ranks. Call it last, with the error if there was one; if the other ranks do not
   * fail as well within seconds, it ends the whole job.
   */
  leave(error?: unknown): Promise<boolean>;
}

/**
 * Joins the ranks that `mpirun` or `srun` has started; undefined in a process that none of them started, where nothing is
 * loaded. Needs the npm package koffi and an MPI library. Throws `RankError`.
 */
export async function joinRanks(): Promise<JoinedRanks | undefined> {
  const launch = launchOf(process.env);
  if (!launch) return undefined;
  const { Ranks } = await import("./ranks.js");
  const { teamOf } = await import("./team.js");
  const { workforceOf } = await import("./queue.js");
  const ranks = await Ranks.join(launch);
  const { rank, size, localRank } = ranks;
  return {
    ...{ rank, size, localRank, team: teamOf(ranks), workforce: workforceOf(ranks) },
    leave: (error) => ranks.leave(error),
  };
}
