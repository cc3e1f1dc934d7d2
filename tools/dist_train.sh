#!/usr/bin/env bash
# Train in several processes of one or more machines, with GPUs or without.
#   tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=host0 tools/dist_train.sh CONFIG 8
# GPUS are those of each machine. PORT is a free one of this machine by default, or 29500
# with several machines. When a process fails, all are started again and go on from the last
# checkpoint, at most MAX_RESTARTS times (3).
set -euo pipefail
if [ $# -lt 2 ]; then sed -n '2,/^set/s/^# \?//p' "$0"; exit 2; fi
TOOLS=$(dirname "$0") CONFIG=$1 GPUS=$2
. "$TOOLS/rendezvous.sh"
exec python "$TOOLS/launch.py" "${RENDEZVOUS[@]}" --max-restarts "${MAX_RESTARTS:-3}" \
    --nproc-per-node "$GPUS" "$TOOLS/train.py" "$CONFIG" --launcher pytorch "${@:3}"
