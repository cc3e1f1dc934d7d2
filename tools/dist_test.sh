#!/usr/bin/env bash
# Evaluate in several processes of one or more machines, with GPUs or without.
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=host0 tools/dist_test.sh CONFIG CHECKPOINT 8
# GPUS are those of each machine. PORT is a free one of this machine by default, or 29500
# with several machines.
set -euo pipefail
if [ $# -lt 3 ]; then sed -n '2,/^set/s/^# \?//p' "$0"; exit 2; fi
TOOLS=$(dirname "$0") CONFIG=$1 CHECKPOINT=$2 GPUS=$3
. "$TOOLS/rendezvous.sh"
exec python "$TOOLS/launch.py" "${RENDEZVOUS[@]}" --max-restarts 0 \
    --nproc-per-node "$GPUS" "$TOOLS/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"
