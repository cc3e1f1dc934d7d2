#!/usr/bin/env bash
# What each pod of kubernetes_train.yaml runs: dist_train.sh, told by the training operator which machine it is.
#   kubernetes_pod.sh CONFIG GPUS [arguments of tools/train.py]
# The operator starts pods again whose status is above 127. So is this one's where the run saved and stopped
# (75), or a signal has ended it; what a user must correct ends the job.
set -uo pipefail
if [ $# -lt 2 ]; then sed -n '2,/^set/s/^# \?//p' "$0"; exit 2; fi
# The first process of a container passes no signal on by itself.
run=
trap 'kill -TERM "$run" 2>/dev/null' TERM
NNODES=${WORLD_SIZE:-1} NODE_RANK=${RANK:-0} PORT=${MASTER_PORT:-29500} \
    "$(dirname "$0")/dist_train.sh" "$@" &
run=$!
while
    wait $run
    status=$?
    kill -0 $run 2>/dev/null
do :; done
if [ $status = 75 ]; then status=143; fi
exit $status
