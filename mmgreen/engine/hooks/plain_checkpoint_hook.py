"""Training checkpoints that ``torch.load(weights_only=True)`` reads."""

from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from mmgreen.registry import HOOKS

_HISTORY = 'history_buffer'


@HOOKS.register_module()
class PlainCheckpointHook(Hook):
    """Keep pickled objects out of checkpoints, and restore them on resume.

    mmengine saves its logging history as pickled objects. This hook writes
    them as tensors and plain values instead, so that reading a checkpoint
    never needs to run code. ``mmgreen train`` adds it to every run.
    """

    # After every other hook has put its part into the checkpoint.
    priority = 'LOWEST'

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        for part in checkpoint:
            if part not in ('state_dict', 'optimizer'):  # tensors already, and large
                checkpoint[part] = _to_plain(checkpoint[part])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if 'message_hub' in checkpoint:
            checkpoint['message_hub'] = _from_plain(checkpoint['message_hub'])


def _to_plain(value: Any) -> Any:
    if isinstance(value, HistoryBuffer):
        log, count = value.data
        return {
            _HISTORY: [torch.as_tensor(log), torch.as_tensor(count)],
            'max_length': value.max_length,
        }
    if isinstance(value, dict):
        return {_to_plain(k): _to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_to_plain(v) for v in value)
    if isinstance(value, np.ndarray):
        return torch.as_tensor(value) if value.dtype.kind in 'biufc' else value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return value


def _from_plain(value: Any) -> Any:
    if isinstance(value, dict):
        if _HISTORY in value:
            log, count = (t.cpu().numpy() for t in value[_HISTORY])
            return HistoryBuffer(log, count, value['max_length'])
        return {k: _from_plain(v) for k, v in value.items()}
    return value
