"""Splits of any format as annotation files and folders that a config can name."""

import os
from dataclasses import dataclass
from pathlib import Path

from mmgreen.files import write_whole
from mmgreen.importing import Dataset, write_coco


@dataclass(frozen=True)
class SplitFiles:
    """Where the images of one split are.

    Attributes:
        ann_file: COCO's annotation file, or a list of images; None for all below the folder.
        images: Folder, below that of the dataset.
    """

    ann_file: Path | None
    images: str


def place_splits(dataset: Dataset, folder: Path, labels: bool) -> dict[str, SplitFiles]:
    """Name a file and a folder for each split, written where there is none.

    Args:
        dataset: Divided into ``train`` and ``val``, with ``test`` or not.
        folder: Where files are written to; it is made if one is.
        labels: Annotation files, or else folders and lists of images.

    Raises:
        UserError: If a file cannot be written.
    """
    place = _place_labelled if labels else _place_images
    return {split: place(dataset, split, folder) for split in dataset.splits}


def _place_labelled(dataset: Dataset, split: str, folder: Path) -> SplitFiles:
    if split in dataset.originals:
        path, images = dataset.originals[split]
        below = os.path.relpath(images, dataset.folder)
        return SplitFiles(path, '' if below == '.' else below)
    path = folder / f'{split}.json'
    write_coco(path, dataset.splits[split], dataset.categories)
    return SplitFiles(path, '')


def _place_images(dataset: Dataset, split: str, folder: Path) -> SplitFiles:
    """A folder where it holds the images of this split and no others, else a list."""
    names = [image.name for image in dataset.splits[split]]
    others = {i.name for name, part in dataset.splits.items() if name != split for i in part}
    others |= {name for names in dataset.left_out.values() for name in names}
    common = os.path.commonpath([os.path.dirname(name) for name in names])
    if not any(name.startswith(f'{common}/') or not common for name in others):
        return SplitFiles(None, common)
    path = folder / f'{split}.txt'
    write_whole(path, ''.join(f'{name}\n' for name in names))
    return SplitFiles(path, '')
