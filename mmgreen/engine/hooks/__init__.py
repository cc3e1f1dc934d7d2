"""Hooks of a run: what it saves, watches, shows and records."""

from .checkpoint_hook import CheckpointHook
from .plain_checkpoint_hook import PlainCheckpointHook
from .preemption_hook import REQUEUE, PreemptionHook
from .progress_bar_hook import ProgressBarHook
from .run_record_hook import RECORD, RunRecordHook
from .runtime_info_hook import RuntimeInfoHook
from .strict_load_hook import StrictLoadHook
from .watch_hook import WatchHook

__all__ = [
    'RECORD',
    'REQUEUE',
    'CheckpointHook',
    'PlainCheckpointHook',
    'PreemptionHook',
    'ProgressBarHook',
    'RunRecordHook',
    'RuntimeInfoHook',
    'StrictLoadHook',
    'WatchHook',
]
