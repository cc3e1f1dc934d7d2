"""Which images there are to choose from, and which have labels."""

import json
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmgreen.config import parts
from mmgreen.datasets.copies import files_of_coco
from mmgreen.datasets.tree import look_through
from mmgreen.importing import read_dataset

_LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def images_of_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """Images of a folder, and those of it that are annotated, in any format.

    Raises:
        UserError: If there is no image, or there are annotations that cannot be read: their images could be
            labelled once more.
    """
    dataset = read_dataset(folder)
    images = [(folder / name).resolve() for name in look_through(folder).images]
    annotated = {(folder / image.name).resolve() for image in dataset.images}
    return images, [path for path in images if dataset.labelled and path in annotated]


def labelled_images(cfg: Config, folders: Sequence[Path] = ()) -> list[Path]:
    """Images that a detector's config trains, validates or tests on, and those of folders, each once.

    Args:
        cfg: Config; of a pre-training none are taken, and none of files that are not there. Where it trains on tiles, its
            ``originals`` are the images.
        folders: Of annotated images, or of images alone whose labels are elsewhere.

    Raises:
        UserError: See :func:`images_of_folder`.
    """
    found: dict[Path, None] = {}
    loaded = [
        dataset
        for loader in _LOADERS
        for _, dataset in (parts(cfg[loader].dataset) if cfg.get(loader) else ())
    ]
    for dataset in cfg.get('originals', loaded):
        if not dataset.get('ann_file'):
            continue
        root = Path(dataset.get('data_root') or '')
        if not _has_objects(root / dataset.ann_file):
            continue
        folder = root / (dataset.get('data_prefix') or {}).get('img', '')
        found |= dict.fromkeys(files_of_coco(root / dataset.ann_file, folder) or ())
    for folder in folders:
        images, labelled = images_of_folder(folder)
        found |= dict.fromkeys(labelled or images)
    return list(dict.fromkeys(path.resolve() for path in found if path.is_file()))


def _has_objects(ann_file: Path) -> bool:
    if ann_file.suffix != '.json' or not ann_file.is_file():
        return False
    content = json.loads(ann_file.read_text(encoding='utf-8'))
    return isinstance(content, dict) and bool(content.get('annotations'))
