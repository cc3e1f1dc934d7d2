"""What mmengine's runner does not have: checks before a run, safe checkpoints, records."""

from .architecture import SwinArchitecture
from .backends import BACKENDS, log_to
from .checkpoint import ALLOW_PICKLE, check_fit, read_checkpoint
from .layer_decay import LayerDecayOptimWrapperConstructor
from .plain_checkpoint_hook import PlainCheckpointHook
from .preflight import build_runner, load_config, prepare_config, set_num_classes
from .pretrained import load_backbone
from .progress_bar_hook import ProgressBarHook
from .run_record_hook import RECORD, RunRecordHook
from .strict_load_hook import StrictLoadHook

__all__ = [
    'ALLOW_PICKLE',
    'BACKENDS',
    'RECORD',
    'LayerDecayOptimWrapperConstructor',
    'PlainCheckpointHook',
    'ProgressBarHook',
    'RunRecordHook',
    'StrictLoadHook',
    'SwinArchitecture',
    'build_runner',
    'check_fit',
    'load_backbone',
    'load_config',
    'log_to',
    'prepare_config',
    'read_checkpoint',
    'set_num_classes',
]
