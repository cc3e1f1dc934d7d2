"""COCO: one JSON file; masks with holes as run lengths, others as polygons."""

import json
from collections.abc import Sequence
from pathlib import Path

from .found import FoundImage, FoundObject
from .outlines import corners


def write(
    images: Sequence[FoundImage], classes: Sequence[str], folder: Path, place: Path
) -> dict[str, str]:
    entries: list[dict] = []
    annotations: list[dict] = []
    numbers = {name: number for number, name in enumerate(classes, 1)}
    for number, image in enumerate(images, 1):
        width, height = image.size
        entries.append(dict(id=number, file_name=image.name, width=width, height=height))
        for thing in image.objects:
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=numbers[thing.label],
                    bbox=thing.box,
                    score=thing.score,
                    iscrowd=0,
                    **_mask(thing),
                )
            )
    categories = [dict(id=number, name=name) for name, number in numbers.items()]
    content = dict(images=entries, annotations=annotations, categories=categories)
    return {'instances.json': json.dumps(content)}


def _mask(thing: FoundObject) -> dict:
    if not thing.parts:
        return dict(area=thing.box[2] * thing.box[3])
    area = sum(part.area for part in thing.parts)
    if thing.has_holes:
        return dict(segmentation=thing.mask, area=area)
    lines = [[v for point in corners(part.exterior) for v in point] for part in thing.parts]
    return dict(segmentation=lines, area=area)
