#!/bin/sh
# Workers on 32 nodes of a batch system, one on each, with a slot for each processor: sbatch deploy/slurm/workers.sh
# NATS_URL and NATS_PASSWORD come from the environment of whoever submits the job.
#SBATCH --job-name=concurrent-futures-workers
#SBATCH --nodes=32
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=12:00:00
# SIGTERM five minutes before the end, so that the workers drain.
#SBATCH --signal=TERM@300
set -eu
exec srun --kill-on-bad-exit=0 cluster worker --queue default --slots "${SLURM_CPUS_ON_NODE:-1}" --user worker
