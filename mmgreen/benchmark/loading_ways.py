"""Ways to load the images of a config: its own, and those of others."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, FUNCTIONS
from PIL import Image

from mmgreen.engine import own_scope

#: From a number of images to a batch of them.
Batch = Callable[[int], Any]


@dataclass(frozen=True)
class Way:
    """How images are loaded, and how many are a batch."""

    name: str
    dataset: Any
    size: int
    load: Batch


def crop_of(cfg: Config) -> dict | None:
    """The random crop of a pre-training config."""
    pipeline = cfg.train_dataloader.dataset.get('pipeline') or []
    return next((step for step in pipeline if 'crop_ratio_range' in step), None)


def way_of(name: str, cfg: Config) -> Way:
    loader = cfg.train_dataloader
    repeats = (loader.get('batch_sampler') or {}).get('repeats', 1)
    collate = FUNCTIONS.get((loader.get('collate_fn') or {}).get('type', 'pseudo_collate'))
    dataset = build_dataset(cfg, loader.dataset)
    return Way(name, dataset, loader.batch_size, batches_of(dataset, repeats, collate))


def build_dataset(cfg: Config, dataset: dict) -> Any:
    with own_scope(cfg):
        built = DATASETS.build(dataset)
        built.full_init()
    return built


def batches_of(dataset: Any, repeats: int, collate: Callable) -> Batch:
    """Give the function that loads a batch of so many crops, in a fixed order without locality."""
    order = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0)).tolist()
    images = itertools.cycle(order)

    def load(count: int) -> Any:
        drawn = itertools.islice(images, -(-count // repeats))
        return collate([dataset[i] for i in drawn for _ in range(repeats)][:count])

    return load


def as_mmpretrain(cfg: Config, crop: dict) -> dict:
    dataset = cfg.train_dataloader.dataset.copy()
    dataset['type'] = 'mmpretrain.CustomDataset'
    dataset['with_label'] = False
    dataset['pipeline'] = [
        dict(type='LoadImageFromFile'),
        dict(
            type='RandomResizedCrop',
            scale=crop['scale'],
            crop_ratio_range=crop['crop_ratio_range'],
            backend='pillow',
            interpolation='bicubic',
        ),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackInputs'),
    ]
    return dataset


class AsTheAuthors:
    """Pillow decodes, torchvision transforms, and floating-point numbers are what is passed on."""

    def __init__(self, dataset: Any, crop: dict) -> None:
        from torchvision import transforms

        self._dataset = dataset
        self._transform = transforms.Compose(
            [
                transforms.RandomResizedCrop(
                    crop['scale'],
                    crop['crop_ratio_range'],
                    interpolation=transforms.InterpolationMode.BICUBIC,
                ),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            ]
        )

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Any:
        path = self._dataset.get_data_info(index)['img_path']
        with open(path, 'rb') as file:
            return self._transform(Image.open(file).convert('RGB'))
