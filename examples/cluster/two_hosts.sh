#!/bin/bash
# Trains on two machines with 4 GPUs each: two_hosts.sh HOST1 HOST2 DATA RUN
# HOST1 must reach HOST2 by ssh without a password, and both need the same versions of Node, masa-webgpu and Open MPI.
# Give each rank its own GPU with a wrapper or containers if the GPUs have the same name; see docs/scaling.md.
set -euo pipefail
one=$1 two=$2 data=$3 run=$4
mpirun --host "$one:4,$two:4" --bind-to none npx masa train --data "$data" --out "$run" --batch 72 --micro-batch 9
