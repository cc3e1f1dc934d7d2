"""What a COCO annotation file holds, and what is wrong with it."""

import math
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mmgreen.errors import UserError

from .coco_file import PARTS, load_coco
from .faults import Faults, listed
from .segmentations import boxes_contradict, check_segmentations

Id = int | str
#: Coordinates may lie outside of an image by so many of its sides, and by so many pixels.
_FAR_SIDES, _FAR_PIXELS = 10, 1000

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
        bare: Ids of images without an annotation.
        contradict: Ids of boxes that are not those of their polygons, where most are not.
    """

    path: str
    categories: tuple[str, ...]
    images: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    count: int
    kinds: Counter
    empty: list[Id] = field(default_factory=list)
    outside: list[Id] = field(default_factory=list)
    short: list[Id] = field(default_factory=list)
    bare: list[Id] = field(default_factory=list)
    contradict: list[Id] = field(default_factory=list)

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
            f'height (ids {listed(self.contradict)})'
        )

    def crowds(self) -> str:
        """How many crowds there are, in words, where they are more than a few; else empty."""
        number = self.kinds['crowd']
        if number <= self.count / 10:
            return ''
        return (
            f'{number} of {self.count} objects of {self.path} are crowds (iscrowd 1), which training '
            'ignores; exporters such as CVAT mark masks drawn with a brush so '
            '(mmgreen make-config --crowds-as-objects takes each as one object)'
        )

    def dropped(self) -> str:
        """What training leaves out, in words; empty where it leaves out nothing."""
        parts = []
        if self.empty:
            parts.append(f'{len(self.empty)} without area (ids {listed(self.empty)})')
        if self.outside:
            parts.append(f'{len(self.outside)} outside the image (ids {listed(self.outside)})')
        if self.short:
            parts.append(
                f'{len(self.short)} with polygons of fewer than three points (ids '
                f'{listed(self.short)})'
            )
        return ' and '.join(parts)


def read_annotations(ann_file: str) -> Annotations:
    """Read a COCO annotation file that has no fault; once, as long as it does not change.

    Args:
        ann_file: JSON file, or a path of mmengine's file backends.

    Raises:
        UserError: If :func:`examine_annotations` finds a fault.
    """
    return _read_sound(ann_file, _version(ann_file))


@lru_cache(maxsize=8)
def _read_sound(ann_file: str, version: object) -> Annotations:
    found, faults = examine_annotations(ann_file)
    if faults:
        others = f' (and {len(faults) - 1} faults of other kinds)' if len(faults) > 1 else ''
        raise UserError(faults[0] + others)
    return found


def _version(path: str) -> object:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # in a store, or not there
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def examine_annotations(
    ann_file: str, content: dict[str, Any] | None = None
) -> tuple[Annotations, list[str]]:
    """Read a COCO annotation file, and find all that is wrong with it.

    Args:
        ann_file: JSON file, or a path of mmengine's file backends.
        content: What :func:`load_coco` gives of it, where that is at hand.

    Returns:
        What is sound in it, and a sentence for each kind of fault: an entry lacks
        something, refers to an image or category that is not there, an id or the name of a
        category is used twice, or a size, box or segmentation cannot be read.

    Raises:
        UserError: If the file is missing or not in COCO format as a whole.
    """
    content = content or load_coco(ann_file)
    faults = Faults()
    images, annotations, categories = (_whole(content, part, ann_file, faults) for part in _NEEDED)
    sizes = {image['id']: (image['width'], image['height']) for image in images}
    found = Annotations(
        path=ann_file,
        categories=tuple(category['name'] for category in categories),
        images=tuple(image['file_name'] for image in images),
        sizes=tuple((image['width'], image['height']) for image in images),
        count=len(content['annotations']),
        kinds=Counter(),
    )
    _check_names(categories, ann_file, faults)
    for part, entries in zip(PARTS, (images, annotations, categories), strict=True):
        if len({type(entry['id']) for entry in entries}) > 1:
            faults.add(
                f'{part} of several kinds of ids',
                part,
                f'annotation file {ann_file} has numbers and texts as ids of {part}: write them in one way',
            )
    for number, size in list(sizes.items()):
        if not is_size(size):
            faults.add(
                'size of an image',
                number,
                f'image {number} of {ann_file} has a width of {size[0]!r} and a height of '
                f'{size[1]!r}, which must be whole numbers above 0',
            )
            del sizes[number]
    known = dict(
        image_id={image['id'] for image in images}, category_id={c['id'] for c in categories}
    )
    sound = []
    for annotation in annotations:
        mask = annotation.get('segmentation')
        kind = 'RLE' if isinstance(mask, dict) else 'polygons' if mask else 'no mask'
        found.kinds[kind] += 1
        found.kinds['crowd'] += bool(annotation.get('iscrowd'))
        if not _refers(annotation, known, ann_file, faults):
            continue
        image = annotation['image_id']
        if image in sizes and _has_box(annotation, sizes[image], found, faults):
            sound.append(annotation)
    before = len(faults.sentences())
    found.short = check_segmentations(sound, sizes, ann_file, faults)
    if len(faults.sentences()) == before:
        found.contradict = boxes_contradict(sound)
    # They are counted as mmdet does: a crowd is enough for it to keep an image.
    held = {a['image_id'] for a in annotations if _is_id(a['image_id'])}
    found.bare = [image['id'] for image in images if image['id'] not in held]
    return found, faults.sentences()


def is_size(size: tuple[Any, Any]) -> bool:
    """Whether a width and a height are whole numbers above 0."""
    return all(
        isinstance(side, int | float) and math.isfinite(side) and side > 0 and side == int(side)
        for side in size
    )


def _check_names(categories: list[dict], ann_file: str, faults: Faults) -> None:
    seen: dict[object, Id] = {}
    for category in categories:
        name, number = category['name'], category['id']
        if not isinstance(name, str) or not name:
            faults.add(
                'name of a category',
                number,
                f'category {number} of {ann_file} has the name {name!r}, which must be a text',
            )
        elif name in seen:
            faults.add(
                'categories of one name',
                number,
                f'categories {seen[name]} and {number} of {ann_file} are both called {name!r}: '
                'give one of them another name, or their objects one id',
            )
        else:
            seen[name] = number


def _whole(content: dict, part: str, ann_file: str, faults: Faults) -> list[dict]:
    """The entries that lack nothing, whose id is their own."""
    seen = set()
    whole = []
    for i, entry in enumerate(content[part]):
        keys = _NEEDED[part]
        lacks = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if lacks:
            faults.add(
                f'{part} lacks {lacks[0]}',
                f'entry {i}',
                f'annotation file {ann_file} is not in COCO format: entry {i} of {part} lacks '
                f"'{lacks[0]}'",
            )
        elif not _is_id(entry['id']):
            faults.add(
                f'{part} id',
                f'entry {i}',
                f'annotation file {ann_file} is not in COCO format: entry {i} of {part} has the '
                f'id {entry["id"]!r}, which is neither a whole number nor a text',
            )
        elif part == 'images' and (
            not isinstance(entry['file_name'], str) or '\0' in entry['file_name']
        ):
            faults.add(
                'file_name',
                entry['id'],
                f'image {entry["id"]} of {ann_file} has the file_name {entry["file_name"]!r}, which must '
                'be a text',
            )
        elif entry['id'] in seen:
            faults.add(
                f'{part} twice',
                entry['id'],
                f'annotation file {ann_file} has id {entry["id"]} twice in {part}',
            )
        else:
            seen.add(entry['id'])
            whole.append(entry)
    return whole


def _is_id(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _refers(annotation: dict, known: dict[str, set], ann_file: str, faults: Faults) -> bool:
    """Whether the image and category of an annotation are there."""
    for key, ids in known.items():
        if not _is_id(annotation[key]) or annotation[key] not in ids:
            faults.add(
                key,
                annotation['id'],
                f'annotation {annotation["id"]} of {ann_file} has {key} {annotation[key]!r}, which '
                'is not in the file',
            )
            return False
    return True


def _has_box(
    annotation: dict, size: tuple[float, float], found: Annotations, faults: Faults
) -> bool:
    """Whether its box and area are numbers; those that training leaves out are noted."""
    number = annotation['id']
    try:
        x, y, width, height = annotation['bbox']
        area = annotation['area']
        numbers = (x, y, width, height, area)
        if any(isinstance(v, bool) for v in numbers) or not all(map(math.isfinite, numbers)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        faults.add(
            'box',
            number,
            f'annotation {number} of {found.path} has a bbox or area that is not made of numbers: '
            f'bbox {annotation["bbox"]}, area {annotation["area"]}',
        )
        return False
    corners = (x, y, x + width, y + height)
    far = any(is_far(v, size[i % 2]) for i, v in enumerate(corners))
    if far or min(width, height) < 0:
        faults.add(
            'far box' if far else 'negative box',
            number,
            f'annotation {number} of {found.path} has the bbox {annotation["bbox"]}, which '
            + (
                f'lies far outside its image of {size[0]:.0f}x{size[1]:.0f} pixels'
                if far
                else 'has a negative width or height'
            ),
        )
        return False
    # The rules by which mmdet leaves out what cannot be learnt from.
    across = min(x + width, size[0]) - max(x, 0)
    down = min(y + height, size[1]) - max(y, 0)
    if area <= 0 or width < 1 or height < 1:
        found.empty.append(number)
    elif across <= 0 or down <= 0:
        found.outside.append(number)
    return True


def is_far(coordinate: float, side: float) -> bool:
    """Whether a coordinate cannot be meant for an image: beyond ten times its side."""
    return abs(coordinate) > _FAR_SIDES * side + _FAR_PIXELS
