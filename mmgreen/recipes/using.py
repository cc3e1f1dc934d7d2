"""A config pointed at a folder of any format."""

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from mmgreen.config import innermost, walk
from mmgreen.datasets.faults import listed
from mmgreen.errors import UserError
from mmgreen.importing import Dataset, divide, read_dataset, split_of

from .placing import SplitFiles, place_splits

_SPLITS = ('train', 'val', 'test')


def use_folder(cfg: Config, folder: Path) -> None:
    """Set all keys of training, validation and test data of a config.

    Where the folder names no validation images, some are held out, the same ones each time;
    where it names no test images, a test looks at those of validation. Annotations that are not
    COCO's are written as such below the work dir.

    Args:
        cfg: Changed in place.
        folder: Folder of any format that :func:`~mmgreen.importing.read_dataset` knows.

    Raises:
        UserError: If the folder cannot be used, or holds what the config cannot train on.
    """
    loaders = {split: cfg.get(f'{split}_dataloader') for split in _SPLITS}
    nodes = {split: _dataset_node(loader.dataset) for split, loader in loaders.items() if loader}
    detection = any(_kind(node) == 'CocoDataset' for node in nodes.values())
    dataset = read_dataset(folder, labels_matter=detection)
    if detection and not dataset.labelled:
        raise UserError(f'{folder} ({dataset.format}) has no boxes or masks for {cfg.filename}')
    if any(_kind(node) == 'LabelledDataset' for node in nodes.values()):
        placed = _class_folders(dataset)
    else:
        divide(dataset)
        placed = place_splits(dataset, Path(cfg.work_dir, 'annotations'), labels=detection)
    for note in dataset.account() + dataset.notes:
        print_log(f'{folder}: {note}', logger='current')
    for split, node in nodes.items():
        place = placed[split if split in placed else 'val']
        node.data_root = str(folder)
        node.pop('ann_file', None)
        if place.ann_file:
            node['ann_file'] = _below(place.ann_file, folder)
        node.data_prefix = dict(img=place.images) if detection else place.images
        evaluator = cfg.get(f'{split}_evaluator')
        if detection and isinstance(evaluator, dict) and 'ann_file' in evaluator:
            evaluator['ann_file'] = str(place.ann_file)
    cfg.data_root = str(folder)
    shown = placed.get('val', placed['train'])
    for _, hook in walk(cfg.get('custom_hooks') or []):
        if 'images' in hook:
            hook['images'] = str(shown.ann_file or folder / shown.images)


def _dataset_node(node: Any) -> Any:
    _, node = innermost(node)
    kind = _kind(node)
    if kind not in ('CocoDataset', 'LabelledDataset', 'UnlabelledDataset'):
        raise UserError(f'--data does not know the dataset {node.type}: set its paths by name')
    return node


def _kind(node: Any) -> str:
    return node.type.rsplit('.', 1)[-1]


def _class_folders(dataset: Dataset) -> dict[str, SplitFiles]:
    """Folders of classes of each split."""
    if dataset.format != 'class folders' or not {'train', 'val'} <= dataset.splits.keys():
        raise UserError(
            f'{dataset.folder} ({dataset.format}) is not for classification: put the images of '
            'each class into a folder of its own below train/ and val/'
        )
    placed = {}
    for split, images in dataset.splits.items():
        parts = images[0].name.split('/')
        depth = next(i for i, part in enumerate(parts) if split_of(part))
        placed[split] = SplitFiles(None, '/'.join(parts[: depth + 1]))
    copies = [
        name for why, names in dataset.left_out.items() if 'images of' in why for name in names
    ]
    if copies:
        raise UserError(
            f'{dataset.folder} has images in two splits: remove {listed(copies)}, since classes are '
            'read from the folders as they are'
        )
    return placed


def _below(path: Path, folder: Path) -> str:
    """A file as a dataset in a folder names it."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path.resolve())
