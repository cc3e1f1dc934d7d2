"""LabelMe: a JSON file for each image; polygons, those of several parts in a group; masks with holes as pictures."""

import base64
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from .found import FoundImage, FoundObject
from .outlines import corners


def write(
    images: Sequence[FoundImage], classes: Sequence[str], folder: Path, place: Path
) -> dict[str, str]:
    files = {}
    for image in images:
        shapes: list[dict] = []
        there = (place / image.name).parent
        for number, thing in enumerate(image.objects):
            shapes += _shapes(thing, number)
        width, height = image.size
        content: dict = dict(
            version='5.5.0',
            flags={},
            shapes=shapes,
            imagePath=Path(os.path.relpath(folder / image.name, there)).as_posix(),
            imageData=None,
            imageHeight=height,
            imageWidth=width,
        )
        files[os.path.splitext(image.name)[0] + '.json'] = json.dumps(content, ensure_ascii=False)
    return files


def _shapes(thing: FoundObject, number: int) -> list[dict]:
    said: dict = dict(
        label=thing.label,
        group_id=None,
        description=f'score {thing.score:.4f}',
        flags={},
        mask=None,
    )
    if not thing.parts:
        left, top, width, height = thing.box
        points = [[left, top], [left + width, top + height]]
        return [dict(said, shape_type='rectangle', points=points)]
    if thing.has_holes:
        left, top, patch = thing.patch()
        file = io.BytesIO()
        Image.fromarray(patch).save(file, 'PNG')
        points = [[left, top], [left + patch.shape[1] - 1, top + patch.shape[0] - 1]]
        picture = base64.b64encode(file.getvalue()).decode()
        return [dict(said, shape_type='mask', points=points, mask=picture)]
    group = number if len(thing.parts) > 1 else None
    return [
        dict(said, shape_type='polygon', points=corners(part.exterior), group_id=group)
        for part in thing.parts
    ]
