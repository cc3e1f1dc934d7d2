#!/usr/bin/env bash
# Train as a batch job on a Slurm cluster, one task for each GPU.
#   tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of tools/train.py]
#   GPUS=32 SRUN_ARGS='--time=2-00 --exclude=node7' tools/slurm_train.sh gpu mim CONFIG WORK_DIR
# GPUS in all (8), GPUS_PER_NODE (8 or GPUS), CPUS_PER_TASK (10), PORT (a free one). SRUN_ARGS
# go where the machines are asked for, to sbatch; without GPUs, they are '--gres=none'.
# A run that is preempted saves, is requeued and goes on; so is one of which a process was
# killed, at most MAX_RESTARTS times (3). Two minutes before its time is over, Slurm lets it save.
# The output goes to WORK_DIR/slurm-JOB.out.
set -euo pipefail
if [ $# -lt 4 ]; then sed -n '2,/^set/s/^# \?//p' "$0"; exit 2; fi
PARTITION=$1 JOB_NAME=$2 CONFIG=$3 WORK_DIR=$4
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
mkdir -p "$WORK_DIR"
# Tells what this run saves from what is there.
export MMGREEN_LAUNCHED=$(date +%s)
# shellcheck disable=SC2086 # SRUN_ARGS are several
exec sbatch --partition "$PARTITION" --job-name "$JOB_NAME" \
    --gres "gpu:$GPUS_PER_NODE" --ntasks "$GPUS" --ntasks-per-node "$GPUS_PER_NODE" \
    --cpus-per-task "${CPUS_PER_TASK:-10}" --requeue --signal USR1@120 \
    --open-mode append --output "$WORK_DIR/slurm-%j.out" ${SRUN_ARGS:-} \
    "$(dirname "$0")/slurm_job.sh" \
    "$(dirname "$(realpath "$0")")/train.py" "$CONFIG" --work-dir "$WORK_DIR" "${@:5}"
