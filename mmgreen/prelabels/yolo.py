"""YOLO: a text file for each image; a polygon a line, parts and holes joined to one line, or a box."""

import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from .found import FoundImage, FoundObject
from .outlines import in_one_line


def write(
    images: Sequence[FoundImage], classes: Sequence[str], folder: Path, place: Path
) -> dict[str, str]:
    settings = dict(path='.', train='images', names=dict(enumerate(classes)))
    files = {'data.yaml': yaml.safe_dump(settings, allow_unicode=True, sort_keys=False)}
    for image in images:
        lines = [_line(thing, classes.index(thing.label), image.size) for thing in image.objects]
        name = f'labels/{os.path.splitext(image.name)[0]}.txt'
        files[name] = ''.join(f'{line}\n' for line in lines)
    return files


def _line(thing: FoundObject, number: int, size: tuple[int, int]) -> str:
    if thing.parts:
        points = in_one_line(thing.parts)
    else:
        left, top, width, height = thing.box
        points = [[left + width / 2, top + height / 2], [width, height]]
    shares = [f'{v / side:.6f}' for point in points for v, side in zip(point, size, strict=True)]
    return ' '.join([str(number), *shares])
