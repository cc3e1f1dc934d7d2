"""The way of a run: its processes, where it goes on, its batches and loops."""

from .building import build_runner
from .loops import ResumableEpochLoop, ResumableIterLoop
from .processes import leaving_at_once
from .tiled_test_loop import TiledTestLoop

__all__ = [
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'TiledTestLoop',
    'build_runner',
    'leaving_at_once',
]
