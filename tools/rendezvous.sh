# Sourced by dist_train.sh and dist_test.sh: where the machines of a run meet, from OpenMMLab's
# variables.
NNODES=${NNODES:-1}
RENDEZVOUS=(--nnodes "$NNODES" --rdzv-backend c10d)
if [ "$NNODES" = 1 ] && [ -z "${PORT:-}" ]; then
    RENDEZVOUS+=(--rdzv-endpoint localhost:0) # any port that is free
else
    RENDEZVOUS+=(--rdzv-endpoint "${MASTER_ADDR:-localhost}:${PORT:-29500}" --rdzv-id mmgreen)
fi
# The machine of rank 0 keeps the store, whatever its name is in MASTER_ADDR.
if [ "$NNODES" != 1 ] && [ -n "${NODE_RANK:-}" ]; then
    RENDEZVOUS+=(--rdzv-conf "is_host=$([ "$NODE_RANK" = 0 ] && echo 1 || echo 0)")
fi
