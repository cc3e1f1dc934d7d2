"""What mmengine's runner does not have: checks before a run, runs that survive, records."""

from .architecture import SwinArchitecture
from .atomic_backend import AtomicBackend
from .backends import BACKENDS, log_to
from .building import build_model, own_scope
from .checkpoint import ALLOW_PICKLE, check_fit, read_checkpoint
from .checkpoint_hook import CheckpointHook
from .layer_decay import LayerDecayOptimWrapperConstructor
from .loops import ResumableEpochLoop, ResumableIterLoop
from .plain_checkpoint_hook import PlainCheckpointHook
from .preemption_hook import REQUEUE, PreemptionHook
from .preflight import build_runner, load_config, prepare_config, set_num_classes
from .pretrained import load_backbone
from .processes import leaving_at_once
from .progress_bar_hook import ProgressBarHook
from .run_record_hook import RECORD, RunRecordHook
from .strict_load_hook import StrictLoadHook
from .watch_hook import WatchHook

__all__ = [
    'ALLOW_PICKLE',
    'BACKENDS',
    'RECORD',
    'REQUEUE',
    'AtomicBackend',
    'CheckpointHook',
    'LayerDecayOptimWrapperConstructor',
    'PlainCheckpointHook',
    'PreemptionHook',
    'ProgressBarHook',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'RunRecordHook',
    'StrictLoadHook',
    'SwinArchitecture',
    'WatchHook',
    'build_model',
    'build_runner',
    'check_fit',
    'load_backbone',
    'leaving_at_once',
    'load_config',
    'log_to',
    'own_scope',
    'prepare_config',
    'read_checkpoint',
    'set_num_classes',
]
