#!/usr/bin/env bash
# Start Slurm on this machine alone, as root: munge, slurmctld, slurmd, a partition named "main".
#   apt install slurm-wlm munge; tests/cluster/start_slurm.sh FOLDER
#   SLURM_CONF=FOLDER/slurm.conf sinfo
#   tests/cluster/start_slurm.sh --stop FOLDER
# All state is in FOLDER.
set -euo pipefail
if [ $# -lt 1 ]; then sed -n '2,/^set/s/^# \?//p' "$0"; exit 2; fi
if [ "$1" = --stop ]; then
    for daemon in slurmd slurmctld munged; do
        [ ! -f "$2/$daemon.pid" ] || kill "$(cat "$2/$daemon.pid")" || true
    done
    exit
fi
FOLDER=$(realpath "$1") HOST=$(hostname -s) CPUS=$(nproc --all)
mkdir -p "$FOLDER"/{state,spool,munge}
chmod 755 "$FOLDER" "$FOLDER/munge"
dd if=/dev/urandom of="$FOLDER/munge/key" bs=128 count=1 status=none
chmod 400 "$FOLDER/munge/key"
# As root, since nothing here is shared: munged wants to own its files.
munged --force --key-file "$FOLDER/munge/key" --socket "$FOLDER/munge/socket" \
    --pid-file "$FOLDER/munged.pid" --log-file "$FOLDER/munge/log" --seed-file "$FOLDER/munge/seed"
cat > "$FOLDER/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=${SLURMCTLD_PORT:-16817}
SlurmdPort=${SLURMD_PORT:-16818}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$FOLDER/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$FOLDER/state
SlurmdSpoolDir=$FOLDER/spool
SlurmctldPidFile=$FOLDER/slurmctld.pid
SlurmdPidFile=$FOLDER/slurmd.pid
SlurmctldLogFile=$FOLDER/slurmctld.log
SlurmdLogFile=$FOLDER/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SchedulerParameters=sched_interval=2,bf_interval=2
MinJobAge=3600
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$CPUS State=UNKNOWN
PartitionName=main Nodes=$HOST Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$FOLDER/slurm.conf
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF"
for _ in $(seq 60); do
    sinfo --noheader --states idle 2>/dev/null | grep -q "$HOST" && { sinfo; exit 0; }
    sleep 0.5
done
echo 'Slurm has not started; the ends of its logs:' >&2
tail -n 20 "$FOLDER/slurmctld.log" "$FOLDER/slurmd.log" >&2
exit 1
