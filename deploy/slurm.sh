#!/usr/bin/env bash
# A run on a Slurm cluster that survives its time limit: Slurm sends SIGTERM two minutes before the end, the run saves and
# exits with 130, and the job puts itself back into the queue. Submit from the folder in which medcoss is installed:
#   sbatch node_modules/medcoss/deploy/slurm.sh STORE RUN
#SBATCH --job-name=medcoss
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

store=$1
run=$2

# Not by npx, which ends at a signal and does not hand it on.
PATH="$PWD/node_modules/.bin:$PATH"
medcoss pretrain --store "$store" --out "$run" --model base --batch-size 64 \
  --threads "${SLURM_CPUS_PER_TASK:-16}" --resume &
training=$!
trap 'kill -TERM "$training"' TERM

# A signal ends the first wait; the second is for the run to save.
code=0
wait "$training" || code=$?
if kill -0 "$training" 2>/dev/null; then
  code=0
  wait "$training" || code=$?
fi

if [ "$code" -eq 130 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
