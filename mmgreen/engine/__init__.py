"""What mmengine's runner does not have: checkpoints without code, checks before a run."""

from .architecture import SwinArchitecture
from .checkpoint import ALLOW_PICKLE, read_checkpoint
from .layer_decay import LayerDecayOptimWrapperConstructor
from .plain_checkpoint_hook import PlainCheckpointHook
from .preflight import load_config, prepare_config
from .pretrained import load_backbone
from .strict_load_hook import StrictLoadHook

__all__ = [
    'ALLOW_PICKLE',
    'LayerDecayOptimWrapperConstructor',
    'PlainCheckpointHook',
    'StrictLoadHook',
    'SwinArchitecture',
    'load_backbone',
    'load_config',
    'prepare_config',
    'read_checkpoint',
]
