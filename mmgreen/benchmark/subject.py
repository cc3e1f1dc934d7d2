"""Configs that are measured, of pre-training or of a detector, and what they are fed."""

import ast
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from torch import nn

from mmgreen.config import load_config
from mmgreen.engine import build_model, complete_preprocessor, lay_out, own_scope, prepare_run
from mmgreen.errors import UserError

from .loading_ways import way_of


@dataclass
class Subject:
    """What one process measures: a config, or the lower bound of one.

    Attributes:
        config: Config file, or ``package::path`` of an installed library.
        settings: Changes to it, as ``--cfg-options`` of the other tools.
        floor: Measure the floor of the config instead (see
            :class:`~mmgreen.benchmark.floor.Floor`).
    """

    config: str
    settings: dict = field(default_factory=dict)
    floor: bool = False

    @property
    def name(self) -> str:
        stem = Path(self.config.split('::')[-1]).stem
        changes = [f'{key.split(".")[-1]}={value}' for key, value in self.settings.items()]
        return ' '.join((['floor of'] if self.floor else []) + [stem] + changes)


def build_subject(
    subject: Subject, image_size: int | None = None, device: str = 'cpu'
) -> tuple[nn.Module, Config]:
    """The model of a config in training mode, its weights drawn at random, and the config."""
    changes = dict(subject.settings)
    size = changes.pop('image_size', image_size)
    cfg = load_config(subject.config, changes)
    pipeline = cfg.get('train_dataloader', {}).get('dataset', {}).get('pipeline', [])
    if is_detector(cfg):
        if size:
            raise UserError(
                f'image_size is for pre-training: the pipeline of {subject.config} says how large images are'
            )
        cfg.model.backbone.pop('init_cfg', None)
        prepare_run(cfg, 'train')
    elif not any('crop_ratio_range' in t for t in pipeline) or 'head' not in cfg.model:
        raise UserError(f'{subject.config} neither pre-trains nor trains a detector')
    if size:
        for transform in pipeline:
            for key in ('scale', 'input_size'):  # of crops and mask generators
                if key in transform:
                    transform[key] = size
        for part, key in ((cfg.model.backbone, 'img_size'), (cfg.model, 'input_size')):
            if key in part:
                part[key] = size
    complete_preprocessor(cfg)  # as in training
    torch.manual_seed(0)
    model = build_model(cfg)
    model.init_weights()
    lay_out(model, device)
    return model.train().to(device), cfg


def is_detector(cfg: Config) -> bool:
    return cfg.get('default_scope') == 'mmdet' and 'backbone' in cfg.get('model', {})


def make_batch(cfg: Config, batch_size: int) -> dict:
    """Images taken through the pipeline of a config: random ones, or of a detector those that it trains on."""
    if is_detector(cfg):
        np.random.seed(0)  # noqa: NPY002 (mmdet's)
        batch: dict = way_of('', cfg).load(batch_size)
        return batch
    rng = np.random.default_rng(0)
    pipeline = cfg.train_dataloader.dataset.pipeline
    size = next(step.scale for step in pipeline if 'crop_ratio_range' in step)
    with own_scope(cfg):
        transforms = Compose([t for t in pipeline if 'Load' not in t.type])
        samples = []
        for i in range(batch_size):
            image = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
            shape = image.shape[:2]
            samples.append(
                transforms(
                    dict(img=image, img_shape=shape, ori_shape=shape, img_path='', sample_idx=i)
                )
            )
        return default_collate(samples)


def read_subjects(words: list[str], floor: bool = False) -> list[Subject]:
    """Configs, each followed by its own settings.

    Args:
        words: Configs and ``KEY=VALUE``.
        floor: Add the floor of the first one.

    Raises:
        UserError: If a setting comes before any config.
    """
    subjects: list[Subject] = []
    for word in words:
        key, equals, value = word.partition('=')
        if not equals:
            subjects.append(Subject(word))
        elif not subjects:
            raise UserError(f'{word} comes before any config: settings follow their config')
        else:
            try:
                subjects[-1].settings[key] = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                subjects[-1].settings[key] = value
    if floor:
        subjects.insert(1, Subject(subjects[0].config, subjects[0].settings, floor=True))
    return subjects
