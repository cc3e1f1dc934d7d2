"""The way of a run: checked, completed and built; its processes, where it goes on, its batches."""

from .build import build_runner
from .complete import complete_optimizer
from .loops import ResumableEpochLoop, ResumableIterLoop
from .model import build_model, own_scope
from .prepare import prepare_run
from .processes import leaving_at_once
from .tiled_test_loop import TiledTestLoop, tile_test

__all__ = [
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'TiledTestLoop',
    'build_model',
    'build_runner',
    'complete_optimizer',
    'leaving_at_once',
    'own_scope',
    'prepare_run',
    'tile_test',
]
