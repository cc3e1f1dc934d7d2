"""What mmengine's runner does not have: runs that survive, hooks, layer decay."""

from .hooks import (
    RECORD,
    REQUEUE,
    CheckpointHook,
    PlainCheckpointHook,
    PreemptionHook,
    ProgressBarHook,
    RunRecordHook,
    RuntimeInfoHook,
    StrictLoadHook,
    WatchHook,
)
from .optimizers import LayerDecayOptimWrapperConstructor, OptimWrapperConstructor
from .runner import (
    ResumableEpochLoop,
    ResumableIterLoop,
    build_model,
    build_runner,
    complete_optimizer,
    leaving_at_once,
    own_scope,
    prepare_run,
    tile_test,
)

__all__ = [
    'RECORD',
    'REQUEUE',
    'CheckpointHook',
    'LayerDecayOptimWrapperConstructor',
    'OptimWrapperConstructor',
    'PlainCheckpointHook',
    'PreemptionHook',
    'ProgressBarHook',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'RunRecordHook',
    'RuntimeInfoHook',
    'StrictLoadHook',
    'WatchHook',
    'build_model',
    'build_runner',
    'complete_optimizer',
    'leaving_at_once',
    'own_scope',
    'prepare_run',
    'tile_test',
]
