"""What a COCO annotation file holds, and what is wrong with it."""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

from mmgreen.errors import UserError

from .segmentations import boxes_contradict, check_segmentations

#: What training and evaluation cannot do without.
_NEEDED = {
    'images': ('id', 'file_name', 'width', 'height'),
    'annotations': ('id', 'image_id', 'category_id', 'bbox', 'area'),
    'categories': ('id', 'name'),
}


@dataclass
class Annotations:
    """Summary of an annotation file.

    Attributes:
        path: The file.
        categories: Names, in the order of the file.
        images: Names of the image files.
        sizes: Width and height of the images.
        count: Number of annotations.
        kinds: How many annotations have ``'polygons'``, run lengths (``'RLE'``)
            or a box alone (``'no mask'``), and how many are ``'crowd'`` regions.
        empty: Ids of annotations less than a pixel wide or high, or without area.
        outside: Ids of annotations whose box lies outside its image.
        short: Ids of annotations with polygons of fewer than three points.
        bare: Number of images without an annotation.
        contradict: Whether most boxes are not those of their polygons.
    """

    path: str
    categories: tuple[str, ...]
    images: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    count: int
    kinds: Counter
    empty: list[int] = field(default_factory=list)
    outside: list[int] = field(default_factory=list)
    short: list[int] = field(default_factory=list)
    bare: int = 0
    contradict: bool = False

    def missing_images(self, folder: str) -> list[str]:
        """Names of image files that are not in a folder."""
        there: dict[str, set[str]] = {}  # one listing a folder is faster than a look at each file
        missing = []
        for name in self.images:
            parent, base = os.path.split(os.path.join(folder, name))
            if parent not in there:
                there[parent] = set(os.listdir(parent)) if os.path.isdir(parent) else set()
            if base not in there[parent]:
                missing.append(name)
        return missing

    def choose(self, classes: object = None) -> tuple[str, ...]:
        """Categories in the order that ``metainfo.classes`` says, by default that of the file.

        Args:
            classes: One name, or a list of names.

        Raises:
            UserError: If that is something else, or a name is not in the file.
        """
        if not classes:
            return self.categories
        names = (classes,) if isinstance(classes, str) else classes
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            raise UserError(
                f'metainfo.classes must be a name or a list of names, not {classes!r} '
                "(a comma may be missing: write ('cat',) for one)"
            )
        unknown = [name for name in names if name not in self.categories]
        if unknown or len(set(names)) < len(names):
            raise UserError(
                f'metainfo.classes has {", ".join(map(repr, unknown)) or "a name twice"}, but the '
                f'categories of {self.path} are {", ".join(map(repr, self.categories))}'
            )
        return tuple(names)

    def contradiction(self) -> str:
        """What is odd about the boxes, in words; empty where nothing is."""
        if not self.contradict:
            return ''
        return (
            f'most boxes of {self.path} are not those of their polygons: a bbox is x, y, width, '
            'height'
        )

    def dropped(self) -> str:
        """What training leaves out, in words; empty where it leaves out nothing."""
        parts = []
        if self.empty:
            parts.append(f'{len(self.empty)} without area (such as id {self.empty[0]})')
        if self.outside:
            parts.append(f'{len(self.outside)} outside the image (such as id {self.outside[0]})')
        if self.short:
            parts.append(
                f'{len(self.short)} with polygons of fewer than three points (such as id '
                f'{self.short[0]})'
            )
        return ' and '.join(parts)


@lru_cache(maxsize=8)
def read_annotations(ann_file: str) -> Annotations:
    """Read a COCO annotation file and check it.

    Args:
        ann_file: JSON file, or a path of mmengine's file backends.

    Raises:
        UserError: If the file is missing or not in COCO format, an entry lacks
            something, refers to an image or category that is not there, an id is
            used twice, or a segmentation cannot be read.
    """
    try:
        content = json.loads(_read(ann_file).decode())
    except FileNotFoundError as error:
        raise UserError(f'annotation file {ann_file} does not exist') from error
    except ValueError as error:
        raise UserError(f'annotation file {ann_file} is not JSON: {error}') from error
    _check_structure(content, ann_file)
    if not content['categories']:
        raise UserError(f'annotation file {ann_file} names no categories')

    sizes = {image['id']: (image['width'], image['height']) for image in content['images']}
    for number, size in sizes.items():
        if not all(isinstance(side, int | float) and side > 0 for side in size):
            raise UserError(
                f'image {number} of {ann_file} has a width of {size[0]!r} and a height of '
                f'{size[1]!r}, which must be numbers above 0'
            )
    categories = {category['id'] for category in content['categories']}
    found = Annotations(
        path=ann_file,
        categories=tuple(category['name'] for category in content['categories']),
        images=tuple(image['file_name'] for image in content['images']),
        sizes=tuple(sizes.values()),
        count=len(content['annotations']),
        kinds=Counter(),
    )
    for annotation in content['annotations']:
        number = annotation['id']
        for key, known in (('image_id', sizes), ('category_id', categories)):
            if not isinstance(annotation[key], int) or annotation[key] not in known:
                raise UserError(
                    f'annotation {number} of {ann_file} has {key} {annotation[key]}, which is not '
                    'in the file'
                )
        try:
            x, y, width, height = annotation['bbox']
            full_width, full_height = sizes[annotation['image_id']]
            # The rules by which mmdet leaves out what cannot be learnt from.
            across = min(x + width, full_width) - max(x, 0)
            down = min(y + height, full_height) - max(y, 0)
            if annotation['area'] <= 0 or width < 1 or height < 1:
                found.empty.append(number)
            elif across <= 0 or down <= 0:
                found.outside.append(number)
        except (TypeError, ValueError) as error:
            raise UserError(
                f'annotation {number} of {ann_file} has a bbox or area that is not made of numbers: '
                f'bbox {annotation["bbox"]}, area {annotation["area"]}'
            ) from error
        mask = annotation.get('segmentation')
        kind = 'RLE' if isinstance(mask, dict) else 'polygons' if mask else 'no mask'
        found.kinds[kind] += 1
        found.kinds['crowd'] += bool(annotation.get('iscrowd'))
    found.short = check_segmentations(content['annotations'], sizes, ann_file)
    found.contradict = boxes_contradict(content['annotations'])
    # As mmdet counts them: a crowd is enough for it to keep an image.
    found.bare = len(sizes) - len({a['image_id'] for a in content['annotations']})
    return found


def _read(path: str) -> bytes:
    if '://' not in path:
        with open(path, 'rb') as file:
            return file.read()
    from mmengine.fileio import get  # slow to import

    return get(path)


def _check_structure(content: object, ann_file: str) -> None:
    if not isinstance(content, dict) or any(
        not isinstance(content.get(part), list) for part in _NEEDED
    ):
        raise UserError(
            f'annotation file {ann_file} is not in COCO format: it must hold lists of images, '
            'annotations and categories'
        )
    for part, keys in _NEEDED.items():
        seen = set()
        for i, entry in enumerate(content[part]):
            lacks = [key for key in keys if not isinstance(entry, dict) or key not in entry]
            if lacks:
                raise UserError(
                    f'annotation file {ann_file} is not in COCO format: entry {i} of {part} lacks '
                    f"'{lacks[0]}'"
                )
            if not isinstance(entry['id'], int):
                raise UserError(
                    f'annotation file {ann_file} is not in COCO format: entry {i} of {part} has the '
                    f'id {entry["id"]!r}, where COCO has whole numbers'
                )
            if entry['id'] in seen:
                raise UserError(f'annotation file {ann_file} has id {entry["id"]} twice in {part}')
            seen.add(entry['id'])
