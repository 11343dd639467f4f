#!/bin/bash
# Trains the official network on 2 nodes with 4 GPUs each: sbatch slurm.sh DATA RUN
#SBATCH --job-name=masa
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
# Two minutes before the time is over, all ranks finish the step and save; the job is then queued again and resumes.
#SBATCH --signal=USR2@120
#SBATCH --requeue
set -euo pipefail
data=$1 run=$2

# Whichever of pmix and pmi2 your Slurm has: srun --mpi=list
if [ -d "$run/checkpoints" ]; then
  srun --mpi=pmix --kill-on-bad-exit=1 npx masa train --out "$run" --resume && status=0 || status=$?
else
  srun --mpi=pmix --kill-on-bad-exit=1 npx masa train --data "$data" --out "$run" --batch 72 --micro-batch 9 && status=0 || status=$?
fi
# 140 = stopped by USR2, with a checkpoint.
if [ "$status" = 140 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$status"
