/** What the process that started this one says about the job, in environment variables. Loads nothing. */

/** How a launcher describes the job to each process. */
export interface Launch {
  readonly rank: number;
  readonly size: number;
  /** Rank among the processes of this host. */
  readonly localRank: number;
  /** The implementation that the launcher belongs to; `srun` serves both. */
  readonly implementation: "Open MPI" | "MPICH" | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The MPI job that this process is part of, or undefined. */
export function launchOf(env: Environment): Launch | undefined {
  const first = (...names: readonly string[]) => {
    const text = names.map((name) => env[name]).find((value) => value !== undefined && /^\d+$/.test(value));
    return text === undefined ? undefined : Number(text);
  };
  const implementation = env.OMPI_COMM_WORLD_SIZE ? "Open MPI" : env.MPI_LOCALNRANKS ? "MPICH" : undefined;
  // srun sets PMIX_RANK or PMI_RANK, depending on --mpi; without them its tasks are not ranks of an MPI job.
  const rank = first("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK");
  if (rank === undefined) return undefined;
  const size = first("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS");
  if (size === undefined) return undefined;
  const localRank = first("OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID") ?? 0;
  return { rank, size, localRank, implementation };
}
