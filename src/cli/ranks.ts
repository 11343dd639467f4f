/**
 * The `masa` command as one rank of an MPI job (`mpirun -n 4 masa train …`). Nothing is loaded unless a launcher has set
 * its variables. Rank 0 reports; the others print only their own errors.
 */
import { ALONE, type Workforce } from "../data/workforce.js";
import type { Ranks } from "../distributed/ranks.js";
import type { Device } from "../gpu/device.js";
import type { Team } from "../train/team.js";

let joined: Ranks | undefined;
let reporting = true;

/** The ranks that this process belongs to; undefined without mpirun, or with a single process. */
export function ranks(): Ranks | undefined {
  return joined;
}

/** Whether this process prints what all have in common. */
export function isReporting(): boolean {
  return reporting;
}

/** Starts MPI if a launcher started several processes. `shared`: whether the command divides its work. */
export async function joinRanks(name: string, shared: boolean): Promise<Ranks | undefined> {
  const { env } = process;
  // The variables of the launchers; what they hold is read behind the import.
  if (!env.OMPI_COMM_WORLD_SIZE && !env.PMI_RANK && !env.PMIX_RANK) return undefined;
  const { launchOf } = await import("../distributed/launcher.js");
  const launch = launchOf(env);
  if (!launch || launch.size === 1) return undefined;
  const { RankError } = await import("../distributed/errors.js");
  reporting = launch.rank === 0;
  if (!shared) throw repeated(name, launch.size, RankError);
  // Where MPI does not start, each rank says why: on another host it may be for another reason.
  reporting = true;
  const { Ranks } = await import("../distributed/ranks.js");
  joined = await Ranks.join(launch);
  reporting = joined.rank === 0;
  if (!reporting) process.stdout.write = swallow as typeof process.stdout.write;
  return joined;
}

function repeated(name: string, size: number, RankError: typeof import("../distributed/errors.js").RankError): Error {
  return new RankError(
    `mpirun started ${size} processes, and each would do all the work of masa ${name}`,
    "Run it without mpirun; train, upscale of many images, evaluate and reproduce divide their work",
  );
}

/** Refuses a use of a shared command that is one piece of work. */
export async function refuseRanks(name: string): Promise<void> {
  if (!joined) return;
  const { RankError } = await import("../distributed/errors.js");
  throw repeated(name, joined.size, RankError);
}

function swallow(_: unknown, encoding?: unknown, done?: unknown): boolean {
  for (const callback of [encoding, done]) if (typeof callback === "function") callback();
  return true;
}

/** Those that share a list of images: the ranks, or this process alone. */
export async function workforce(): Promise<Workforce> {
  if (!joined) return ALONE;
  const { workforceOf } = await import("../distributed/queue.js");
  return workforceOf(joined);
}

/** Those that train: the ranks, or undefined for this process alone. */
export async function trainingTeam(): Promise<Team | undefined> {
  if (!joined) return undefined;
  const { teamOf } = await import("../distributed/team.js");
  return teamOf(joined);
}

/** Opens this rank's device: `adapter` or the environment narrow the choice, and the ranks of a host divide what is left. */
export async function openRankDevice(adapter: string | undefined): Promise<Device> {
  const { adapterNames, nodePlatform, openDevice } = await import("../platform/node.js");
  if (!joined) return await openDevice({ adapter });
  const { adapterOfRank } = await import("../distributed/adapter.js");
  const wanted = adapter ?? (process.env.MASA_ADAPTER || undefined);
  const chosen = adapterOfRank(await adapterNames(), joined.localRank, wanted);
  const platform = joined.rank === 0 ? nodePlatform : { ...nodePlatform, warn: () => {} };
  return await openDevice({ adapter: chosen }, platform);
}
