"""Where each part of a study is, and what it has left there."""

import json
from pathlib import Path
from typing import Any

from .plan import Plan, Start

#: The config of a run, as its process reads it: not in the folder itself, where mmengine writes
#: the config that it completed.
CONFIG = 'config/cell.py'
#: What nearest neighbours find.
NEIGHBOURS = 'neighbours.json'
#: Annotations of images that were chosen.
CHOSEN = 'chosen.json'
#: What says that a part is done, and what it has found.
DONE = 'done.json'


def pace_folder(plan: Plan, start: Start) -> Path:
    """Where a budget in minutes is measured."""
    return plan.work_dir / 'pace' / start.name


def detector_pace_folder(plan: Plan, start: Start) -> Path:
    """Where the steps of a start's detector are measured: once of all that share it."""
    name = 'detector' if start.detector is plan.detector else f'{start.name}_detector'
    return plan.work_dir / 'pace' / name


def pretraining_folder(plan: Plan, start: Start, seed: int) -> Path:
    """Where a start's pre-training is."""
    return plan.work_dir / 'starts' / start.name / f'seed_{seed}'


def detector_folder(plan: Plan, start: Start, labels: int, seed: int) -> Path:
    """Where a detector is."""
    return plan.work_dir / 'detectors' / f'labels_{labels}' / start.name / f'seed_{seed}'


def chosen_folder(plan: Plan, start: Start, labels: int, seed: int) -> Path:
    """Where the images are chosen that a detector is trained on."""
    return plan.work_dir / 'chosen' / f'labels_{labels}' / start.name / f'seed_{seed}'


def classifier_folder(plan: Plan, start: Start, seed: int) -> Path:
    """Where what nearest neighbours find is."""
    return plan.work_dir / 'neighbours' / start.name / f'seed_{seed}'


def read_done(folder: Path) -> dict[str, Any]:
    """What a part that is done has found."""
    found: dict[str, Any] = json.loads((folder / DONE).read_text(encoding='utf-8'))
    return found
