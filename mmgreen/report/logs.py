"""Scalars that a training has logged."""

import contextlib
import json
from pathlib import Path

import numpy as np

from .provenance import Training


def scalars_of(training: Training, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of a logged scalar; what was resumed from a step takes over from it."""
    logged: dict[int, float] = {}
    for folder in training.folders:
        rows = _read_rows(folder / 'vis_data/scalars.json')
        rows = [
            row for row in rows if key in row and 'step' in row and {'epoch', 'iter'} & set(row)
        ]
        if rows:
            logged = {step: value for step, value in logged.items() if step < rows[0]['step']}
        logged |= {row['step']: row[key] for row in rows}
    return np.array(list(logged), dtype=np.int64), np.array(list(logged.values()))


def validations_of(training: Training, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Training steps and values of a scalar that was logged after validations.

    The step is that of the last training line before it: mmengine counts validations by the epoch,
    which is 0 all along where a run is counted in steps.
    """
    found: dict[int, float] = {}
    for folder in training.folders:
        step = 0
        for row in _read_rows(folder / 'vis_data/scalars.json'):
            if {'epoch', 'iter'} & set(row) and 'step' in row:
                step = row['step']
            elif key in row:
                found = {s: value for s, value in found.items() if s < step} | {step: row[key]}
    return np.array(list(found), dtype=np.int64), np.array(list(found.values()))


def _read_rows(path: Path) -> list[dict]:
    """Lines of JSON; of a run that was killed the last one may be torn."""
    rows = []
    for row in path.read_text(encoding='utf-8').splitlines() if path.is_file() else ():
        with contextlib.suppress(ValueError):
            rows.append(json.loads(row))
    return [row for row in rows if isinstance(row, dict)]
