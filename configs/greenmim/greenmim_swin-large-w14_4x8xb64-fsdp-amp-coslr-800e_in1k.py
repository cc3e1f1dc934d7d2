# Gradients and optimizer are split over the processes (FSDP). Weights are whole within a step:
# visible patches take another way through the blocks than their forward, so that blocks cannot
# be fetched one by one.
_base_ = './greenmim_swin-large-w14_4x8xb64-amp-coslr-800e_in1k.py'

runner_type = 'FlexibleRunner'
strategy = dict(
    type='FSDPStrategy',
    model_wrapper=dict(
        type='MMFullyShardedDataParallel',
        sharding_strategy='SHARD_GRAD_OP',
        use_orig_params=True,  # weight decay goes by names
    ),
    state_dict_cfg='full',  # a checkpoint as of any other run
)
optim_wrapper = dict(use_fsdp=True)
