"""What a layout is: how it is found in a folder, and how it is read."""

import json
import mmap
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track

from mmgreen.datasets.tree import Tree

from ..dataset import WRITTEN_BY, AnnotatedImage
from ..source import Source

T = TypeVar('T')
#: Kinds of JSON files: COCO's annotations, those that this project wrote of another layout, and
#: detections, which have scores and are no annotations.
COCO_FILE, COCO_COPY, COCO_DETECTIONS = 'coco', 'coco, a copy', 'coco, detections'
_COPY, _SCORE = WRITTEN_BY.encode(), re.compile(rb'"score"\s*:\s*[\d.]')
#: What follows the beginning of a JSON file of each kind, all of it somewhere.
_KINDS = {
    COCO_FILE: (b'{', (b'"images"', b'"annotations"', b'"categories"')),
    'labelme': (b'{', (b'"shapes"',)),
    'label studio': (b'[', (b'"data"', b'"annotations"')),
    'label studio, min': (b'[', (b'"original_width"',)),
}


@dataclass
class Reading:
    """What a layout reads, as its files say it: nothing is checked, clipped or divided yet.

    Attributes:
        splits: Images by split; ``all`` where the layout names none. Objects have ``label``, and
            ``segmentation`` (polygons or run lengths) or ``bbox`` (x, y, width, height), in pixels,
            and ``iscrowd`` where they are to be ignored; COCO's have all of its keys.
        categories: Their names where the layout says an order; else they are sorted.
        originals: COCO's file and folder of images of splits that can be used as they are.
        complete: Whether objects have box and area, and need no clipping.
    """

    splits: dict[str, list[AnnotatedImage]]
    categories: tuple[str, ...] = ()
    originals: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    complete: bool = False


@dataclass(frozen=True)
class Layout:
    """A way in which programs lay out annotations.

    Attributes:
        name: What it is called.
        looks: What lies there, in words.
        find: Names of its annotation files among those of a folder; none where it is another layout.
        read: Reads them.
    """

    name: str
    looks: str
    find: Callable[[Source], list[str]]
    read: Callable[[Source, list[str]], Reading]


def kind_of_json(tree: Tree, name: str) -> str | None:
    """Which of the kinds that are known a JSON file is, by the words in it."""
    path = tree.path(name)
    if not os.path.getsize(path):
        return None
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        begin = content[:64].removeprefix(b'\xef\xbb\xbf').lstrip()[:1]
        kind = next(
            (
                kind
                for kind, (first, words) in _KINDS.items()
                if begin == first and all(content.find(word) >= 0 for word in words)
            ),
            None,
        )
        if kind == COCO_FILE and content.find(_COPY) >= 0:
            return COCO_COPY
        return COCO_DETECTIONS if kind == COCO_FILE and _SCORE.search(content) else kind


def json_kinds(source: Source, tree: Tree) -> dict[str, str | None]:
    """The kinds of all JSON files of a folder, found once."""
    if id(tree) not in source.json_kinds:
        names = [name for name in tree.others if name.lower().endswith('.json')]
        source.json_kinds[id(tree)] = {name: kind_of_json(tree, name) for name in names}
    return source.json_kinds[id(tree)]


def json_files(source: Source, tree: Tree, *kinds: str) -> list[str]:
    """Names of the JSON files of some kinds."""
    return [name for name, kind in json_kinds(source, tree).items() if kind in kinds]


def read_text(path: Path) -> str:
    """A text file, with or without a mark of its encoding.

    Raises:
        ValueError: If it is neither UTF-8 nor, marked so, UTF-16: its names would be wrong.
    """
    content = path.read_bytes()
    if content.startswith((b'\xff\xfe', b'\xfe\xff')):
        return content.decode('utf-16')
    try:
        return content.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError('it is not UTF-8: save it in that encoding') from error


def read_json(path: Path) -> Any:
    """A JSON file; see :func:`read_text`."""
    return json.loads(read_text(path))


def shown(items: list[T], what: str) -> Iterable[T]:
    """The items, with progress on the screen."""
    return track(items, what, console=Console(stderr=True), transient=True)


def folder_of(name: str) -> str:
    """The folder of a file, empty where it is the top."""
    return name.rpartition('/')[0]


def beside(name: str, *pairs: tuple[str, str]) -> list[str]:
    """Folders in which the image of an annotation file may be, the likeliest first.

    Args:
        name: The annotation file.
        pairs: A folder of annotations, and what it is called for images.
    """
    folder = folder_of(name)
    folders = []
    for annotations, images in pairs:
        pattern = rf'(^|/){re.escape(annotations)}(?=/|$)'
        if re.search(pattern, folder):
            swapped = re.sub(pattern, rf'\1{images}', folder)
            folders.append(os.path.normpath(swapped) if swapped.strip('/') else '')
    return ['' if f == '.' else f.strip('/') for f in [*folders, folder]]
