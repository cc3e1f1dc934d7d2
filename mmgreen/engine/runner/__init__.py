"""The way of a run: its processes, where it goes on, its batches and loops."""

from .building import build_runner
from .loops import ResumableEpochLoop, ResumableIterLoop
from .processes import leaving_at_once

__all__ = ['ResumableEpochLoop', 'ResumableIterLoop', 'build_runner', 'leaving_at_once']
