#!/usr/bin/env bash
# Evaluate on several GPUs.
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of tools/test.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=host0 tools/dist_test.sh CONFIG CHECKPOINT 8
set -euo pipefail
if [ $# -lt 3 ]; then sed -n '2,4s/^# //p' "$0"; exit 2; fi
CONFIG=$1 CHECKPOINT=$2 GPUS=$3
exec python -m torch.distributed.run --nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}" \
    --master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${PORT:-29500}" \
    --nproc-per-node "$GPUS" \
    "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"
