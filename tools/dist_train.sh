#!/usr/bin/env bash
# Train on several GPUs of one or more machines.
#   tools/dist_train.sh CONFIG GPUS [arguments of tools/train.py]
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=host0 tools/dist_train.sh CONFIG 8
set -euo pipefail
if [ $# -lt 2 ]; then sed -n '2,4s/^# //p' "$0"; exit 2; fi
CONFIG=$1 GPUS=$2
exec python -m torch.distributed.run --nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}" \
    --master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${PORT:-29500}" \
    --nproc-per-node "$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "${@:3}"
