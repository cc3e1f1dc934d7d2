#!/usr/bin/env bash
# What slurm_train.sh submits: start the tasks, and requeue the job if they want to go on.
#   slurm_job.sh tools/train.py [arguments]
set -uo pipefail
if [ -z "${SLURM_JOB_ID:-}" ]; then sed -n '2,/^set/s/^# \?//p' "$0"; exit 2; fi
# This script runs where rank 0 does.
MASTER_PORT=${PORT:-$(python -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')}
export MASTER_PORT
# Signals are for the tasks, which save. --wait, not --kill-on-bad-exit: all are given the time
# to leave, and what hangs is killed after it.
trap : TERM USR1
srun --wait 60 python -u "$@" --launcher slurm &
while
    wait $!
    status=$?
    kill -0 $! 2>/dev/null
do :; done
restarts=${SLURM_RESTART_COUNT:-0}
if [ $status = 75 ] || { [ $status -gt 128 ] && [ "$restarts" -lt "${MAX_RESTARTS:-3}" ]; }; then
    echo "slurm_job.sh: exit status $status: requeued, to go on from the last checkpoint"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit $status
