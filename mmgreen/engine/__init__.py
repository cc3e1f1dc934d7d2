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
from .runner.batch_size import find_batch_size, use_batch_size
from .runner.build import build_runner
from .runner.complete import complete_optimizer, complete_preprocessor
from .runner.flat_data_parallel import FlatDataParallel
from .runner.loops import ResumableEpochLoop, ResumableIterLoop
from .runner.model import build_model, lay_out, own_scope
from .runner.pace import seconds_of_a_step
from .runner.prepare import prepare_run
from .runner.processes import leaving_at_once
from .runner.teacher_student_loop import TeacherStudentValLoop
from .runner.tiled_test_loop import TiledTestLoop, tile_test

__all__ = [
    'RECORD',
    'REQUEUE',
    'CheckpointHook',
    'FlatDataParallel',
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
    'TeacherStudentValLoop',
    'TiledTestLoop',
    'WatchHook',
    'build_model',
    'build_runner',
    'complete_optimizer',
    'complete_preprocessor',
    'find_batch_size',
    'lay_out',
    'leaving_at_once',
    'own_scope',
    'prepare_run',
    'seconds_of_a_step',
    'tile_test',
    'use_batch_size',
]
