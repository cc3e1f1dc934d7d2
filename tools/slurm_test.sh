#!/usr/bin/env bash
# Evaluate on a Slurm cluster, one task for each GPU, and wait for it.
#   tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [arguments of tools/test.py]
# GPUS in all (8), GPUS_PER_NODE (8 or GPUS), CPUS_PER_TASK (10), PORT (29500), SRUN_ARGS for
# srun; without GPUs, they are '--gres=none'.
set -euo pipefail
if [ $# -lt 4 ]; then sed -n '2,/^set/s/^# \?//p' "$0"; exit 2; fi
PARTITION=$1 JOB_NAME=$2 CONFIG=$3 CHECKPOINT=$4
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
export MASTER_PORT=${PORT:-29500}
# shellcheck disable=SC2086 # SRUN_ARGS are several
exec srun --partition "$PARTITION" --job-name "$JOB_NAME" \
    --gres "gpu:$GPUS_PER_NODE" --ntasks "$GPUS" --ntasks-per-node "$GPUS_PER_NODE" \
    --cpus-per-task "${CPUS_PER_TASK:-10}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    python -u "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher slurm "${@:5}"
