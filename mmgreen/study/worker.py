"""One run of a study, in a process of its own: ``python -m mmgreen.study.worker ACTION FOLDER ...``.

The folder has the run's config.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from mmgreen.apis import classify_by_neighbours, evaluate, finetune
from mmgreen.choosing import Eyes
from mmgreen.config import load_config, parts
from mmgreen.engine import leaving_at_once
from mmgreen.errors import one_sentence
from mmgreen.files import write_whole

from .folders import CHOSEN, CONFIG, NEIGHBOURS
from .labels import write_chosen


def train(folder: Path) -> None:
    """Train, going on where an earlier call was ended."""
    finetune(folder / CONFIG, work_dir=folder, resume=True)


def test(folder: Path, checkpoint: str) -> None:
    """Test a checkpoint; the study writes the report."""
    evaluate(folder / CONFIG, checkpoint, work_dir=folder / 'test', report=False)


def knn(folder: Path) -> None:
    """Tell images apart by their nearest neighbours."""
    found = classify_by_neighbours(folder / CONFIG, linear=True)
    write_whole(folder / NEIGHBOURS, json.dumps(asdict(found), indent=1))


def choose(folder: Path, checkpoint: str, ann_file: str, number: str, held: str) -> None:
    """Choose images to train on, beside those that the config names."""
    cfg = load_config(folder / CONFIG)
    _, dataset = next(parts(cfg.train_dataloader.dataset))
    write_chosen(
        Path(ann_file),
        Path(dataset.get('data_root') or '', dataset.data_prefix.img),
        Eyes(cfg, checkpoint or None),
        int(number),
        known=Path(dataset.ann_file),
        out=folder / CHOSEN,
        without=Path(held) if held else None,
    )


ACTIONS: dict[str, Callable[..., None]] = dict(train=train, test=test, knn=knn, choose=choose)

if __name__ == '__main__':
    action, folder, *arguments = sys.argv[1:]
    with leaving_at_once(), one_sentence():
        ACTIONS[action](Path(folder), *arguments)
