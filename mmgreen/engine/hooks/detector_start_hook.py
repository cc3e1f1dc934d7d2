"""A training that starts from a whole detector keeps of it what fits, and says what does not."""

import copy
import logging
from typing import Any

import torch
from mmdet.datasets import CocoDataset
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from mmgreen.checkpoints import (
    classes_of,
    is_derived,
    keep_known_classes,
    read_backbone,
    rows_per_class,
    unwrap,
)
from mmgreen.config import count_classes, walk
from mmgreen.datasets.faults import listed
from mmgreen.engine.runner.model import build_model, unwrapped
from mmgreen.errors import UserError
from mmgreen.registry import HOOKS

_COCO: Any = CocoDataset.METAINFO['classes']


@HOOKS.register_module()
class DetectorStartHook(Hook):
    """Take the weights of a detector that ``load_from`` names, class by class.

    Where a category has the name of one that the checkpoint knows, its part of the head is kept; others
    begin anew. A backbone of this project is read by any project's names. Where the checkpoint says no names, and
    has as many as COCO, they are COCO's.

    Raises:
        UserError: If hardly any weight fits.
    """

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Change the weights before they are loaded; a run that is resumed is left alone."""
        classes = _classes(runner)
        if runner._resume or not runner._load_from or not classes:
            return
        whole = unwrapped(runner.model)
        model = getattr(whole, 'student', whole)
        own = {k: v for k, v in model.state_dict().items() if not is_derived(k)}
        found = _plain(unwrap(checkpoint))
        if hasattr(getattr(model, 'backbone', None), 'build_layout'):
            weights, _ = read_backbone(model.backbone, runner._load_from)
            found = {k: v for k, v in found.items() if not k.startswith('backbone.')}
            found |= {f'backbone.{key}': value for key, value in weights.items()}
        rows = _rows(runner, own, len(classes))
        heads = [key for key in rows if key in found]
        text = ''
        if heads:
            known = classes_of(checkpoint) or _coco(found, rows) or ()
            kept, new = keep_known_classes(found, own, rows, known, classes)
            text = f'; of the categories {listed(kept)} are kept' if kept else ''
            if new:
                text += f'; {listed(new)} begin{"s" * (len(new) == 1)} anew'
        fits = {k: v for k, v in found.items() if k in own and v.shape == own[k].shape}
        missing = [key for key in own if key not in fits]
        if len(missing) > len(own) / 2:
            raise UserError(
                f'load_from {runner._load_from} has {len(fits)} of the {len(own)} weights of {runner.cfg.filename}: '
                'it is of another architecture'
            )
        checkpoint['state_dict'] = fits
        runner.logger.log(
            logging.WARNING if missing else logging.INFO,
            f'Starts with {len(fits)} of {len(own)} weights of {runner._load_from}{text}'
            + (f'; not there: {listed(missing)}' if missing else ''),
        )


def _classes(runner: Runner) -> tuple[str, ...]:
    """Names of a detector's categories that it is trained on."""
    loop = runner._train_loop
    if isinstance(loop, dict) or loop is None or runner.cfg.get('default_scope') != 'mmdet':
        return ()
    meta = getattr(loop.dataloader.dataset, 'metainfo', None) or {}
    return tuple(meta.get('classes') or ())


def _plain(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of one detector, of a checkpoint that may hold a teacher and a student."""
    better = 'student.' if bool(found.get('student_is_better', False)) else 'teacher.'
    if not any(key.startswith(better) for key in found):
        return found
    return {k.removeprefix(better): v for k, v in found.items() if k.startswith(better)}


def _rows(runner: Runner, own: dict[str, Tensor], number: int) -> dict[str, int]:
    """Rows a class has in each weight that has some, by a model of one class more."""
    cfg = copy.deepcopy(runner.cfg)
    for _, node in walk(cfg.model):
        count_classes(node, number + 1)
    with torch.random.fork_rng(devices=[]):
        model: Any = build_model(cfg)
    return rows_per_class(own, getattr(model, 'student', model).state_dict())


def _coco(found: dict[str, Tensor], rows: dict[str, int]) -> tuple[str, ...] | None:
    """COCO's names, where some part of the head has as many rows."""
    fits = any(len(found[key]) // each == len(_COCO) for key, each in rows.items() if key in found)
    return _COCO if fits else None
