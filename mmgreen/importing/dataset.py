"""Annotated images of any format, in the terms of COCO."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mmgreen.datasets.faults import listed
from mmgreen.files import write_keeping

#: The label of what is to be ignored, whatever its category (LabelMe's examples write it so).
IGNORE = '__ignore__'
#: What a COCO file says of itself that is a copy of annotations of another layout.
WRITTEN_BY = 'a copy that mmgreen wrote'


@dataclass
class AnnotatedImage:
    """An image and its objects.

    Attributes:
        name: Path below the folder of images, with forward slashes; of one outside it, the whole
            path.
        size: Width and height in pixels, as the image is shown.
        objects: COCO's annotations, with the name of the category as ``label`` in the
            place of ids: ``bbox``, ``area``, ``iscrowd``, and ``segmentation`` where
            there is one.
        unread: Why objects of it could not be read: it must not be trained on, since they would
            be taught as background.
    """

    name: str
    size: tuple[int, int]
    objects: list[dict] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


@dataclass
class Dataset:
    """What a folder holds, whatever its format.

    Attributes:
        folder: The folder of the images.
        format: Name of the format.
        splits: Images by split: ``train``, ``val`` and ``test``, or those of them that
            there are; ``all`` where nothing is said.
        categories: Names, in the order in which they are counted.
        notes: What was found or done on the way that a user should know, in words.
        originals: Annotation file and image folder of the splits whose files can be used as
            they are.
        found: How many images there are in the folder.
        left_out: Names of those that are not used, by reason.
        not_understood: Files that name images or are named as they are, and were not read.
    """

    folder: Path
    format: str
    splits: dict[str, list[AnnotatedImage]]
    categories: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    originals: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    found: int = 0
    left_out: dict[str, list[str]] = field(default_factory=dict)
    not_understood: list[str] = field(default_factory=list)

    @property
    def labelled(self) -> bool:
        """Whether there are objects: images alone, and class folders, have none."""
        return bool(self.categories)

    @property
    def images(self) -> list[AnnotatedImage]:
        """Those of all splits."""
        return [image for split in self.splits.values() for image in split]

    @property
    def has_masks(self) -> bool:
        """Whether all objects have a mask, and not only a box."""
        return all('segmentation' in thing for image in self.images for thing in image.objects)

    def counts(self, split: str) -> Counter[str]:
        """Numbers of objects, crowds left out, by category."""
        return Counter(
            thing['label']
            for image in self.splits[split]
            for thing in image.objects
            if not thing['iscrowd']
        )

    def account(self) -> list[str]:
        """What became of all images that were found, a line each: used, and left out by reason."""
        used = sum(map(len, self.splits.values()))
        lines = [f'{self.found} images found, {used} used']
        lines += [
            f'left out: {len(names)} {reason} ({listed(names)})'
            for reason, names in self.left_out.items()
            if names
        ]
        return lines


def write_coco(
    path: Path, images: list[AnnotatedImage], categories: tuple[str, ...]
) -> tuple[int, int]:
    """Write a COCO annotation file.

    Args:
        path: JSON file.
        images: Those of one split.
        categories: Names, counted from 1.

    Returns:
        Numbers of images and of annotations.

    Raises:
        UserError: If it cannot be written.
    """
    numbers = {name: number for number, name in enumerate(categories, 1)}
    entries: list[dict] = []
    annotations: list[dict] = []
    for number, image in enumerate(images, 1):
        width, height = image.size
        entries.append(dict(id=number, file_name=image.name, width=width, height=height))
        for thing in image.objects:
            rest = {key: value for key, value in thing.items() if key != 'label'}
            rest |= dict(id=len(annotations) + 1, image_id=number)
            annotations.append(dict(rest, category_id=numbers[thing['label']]))
    content = dict(
        info=dict(description=WRITTEN_BY),
        images=entries,
        annotations=annotations,
        categories=[dict(id=number, name=name) for name, number in numbers.items()],
    )
    write_keeping(path, json.dumps(content))
    return len(entries), len(annotations)
