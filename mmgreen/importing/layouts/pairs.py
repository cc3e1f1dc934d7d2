"""Images that have an annotation file each: LabelMe and Pascal VOC."""

import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from mmgreen.datasets.faults import listed
from mmgreen.datasets.tree import stem

from ..dataset import AnnotatedImage
from ..objects import read_each
from ..source import Source
from .layout import beside, shown

#: What a damaged annotation file may raise.
DAMAGED = (
    *(ValueError, KeyError, TypeError, AttributeError, IndexError, OSError, OverflowError),
    *(ElementTree.ParseError, binascii.Error, RecursionError),
)
# Where the image of an annotation file may be, beside its own folder.
_FOLDERS = (
    *(('Annotations', 'JPEGImages'), ('Annotations', 'images'), ('annotations', 'images')),
    *(
        ('annotations', 'JPEGImages'),
        ('labels', 'images'),
        ('Annotations', ''),
        ('annotations', ''),
    ),
)


@dataclass(frozen=True)
class Content:
    """What an annotation file holds.

    Attributes:
        image: The file that it names, if it does.
        size: Width and height that it says; 0 or ``None`` where it does not.
        entries: One for each object.
        read: Makes an object of an entry, for an image of a size.
    """

    image: str | None
    size: tuple
    entries: Iterable[Any]
    read: Callable[[Any, tuple[int, int]], dict]


ReadFile = Callable[[Source, str], Content]


def read_pairs(
    source: Source, names: list[str], format: str, read_file: ReadFile
) -> list[AnnotatedImage]:
    """Images and their objects.

    The image of an annotation file is the one that it names, in its own folder or in that of the
    images; else the one of its own name; else the one that the end of its path fits.

    Args:
        source: Told of files that are damaged, or whose image is missing or has another.
        names: Annotation files.
        format: What a message calls the layout.
        read_file: Reads one.
    """
    found: dict[str, tuple[str, AnnotatedImage]] = {}
    lost: list[str] = []
    for name in shown(names, 'Annotations'):
        path = source.notes.path(name)
        try:
            content = read_file(source, name)
            image = _image(source, name, content.image, lost)
            size = source.size(image) if image else None
            if image is None or size is None:
                continue
            objects = read_each(content.entries, content.read, size)
        except DAMAGED as error:
            source.faults.add(
                'damaged',
                name,
                f'{path} is not an annotation of {format}: {type(error).__name__} {error}',
            )
            continue
        if image in found:
            source.faults.add(
                'two files',
                image,
                f'image {source.tree.path(image)} has two annotation files, {found[image][0]} and '
                f'{name}: leave one of them there',
            )
            continue
        source.compare_size(image, content.size, str(path))
        found[image] = name, AnnotatedImage(image, size, objects)
    if lost:
        source.warnings.append(
            f'{len(lost)} annotation files are for images that are not there: {listed(lost)}'
        )
    return [found[name][1] for name in sorted(found)]


def _image(source: Source, name: str, said: str | None, lost: list[str]) -> str | None:
    """The image of an annotation file, where there is one."""
    images = _candidates(source, name, (said or '').strip())
    if len(images) == 1:
        return images[0]
    if images:
        source.faults.add(
            'several images',
            name,
            f'{source.notes.path(name)} may be for each of {listed(images)}: name the image in the '
            'file, or move the others away',
        )
    else:
        lost.append(name)
    return None


def _candidates(source: Source, name: str, said: str) -> list[str]:
    tree, folders = source.tree, beside(name, *_FOLDERS)
    plain = said.replace('\\', '/')
    if said:
        for text in dict.fromkeys((said, plain, plain.rpartition('/')[2])):
            for folder in folders:
                if there := tree.at(folder, text):
                    return [there]
    own = stem(name).rpartition('/')[2]
    for text in filter(None, (own, said)):  # some name the image without its ending
        for folder in folders:
            if images := tree.with_stem(f'{folder}/{text}'.lstrip('/')):
                return images
    return (tree.locate(said) if said else []) or tree.called(own)
