"""Label Studio: tasks with predictions; polygons, and masks of several parts or with holes as brushes."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import numpy as np
from pycocotools import mask as coco_mask

from .found import FoundImage, FoundObject
from .outlines import corners

#: Bits of a value, and of the four kinds of lengths of runs.
_WORD, _LENGTHS = 8, (3, 4, 8, 16)


def write(
    images: Sequence[FoundImage], classes: Sequence[str], folder: Path, place: Path
) -> dict[str, str]:
    tasks: list[dict] = []
    for image in images:
        results = [_result(thing, i, image.size) for i, thing in enumerate(image.objects)]
        scores = [thing.score for thing in image.objects]
        prediction: dict = dict(model_version='mmgreen', result=results)
        if scores:  # tasks can be sorted by what is least sure
            prediction['score'] = min(scores)
        # Of local files, which Label Studio serves from its document root.
        address = f'/data/local-files/?d={quote(f"{folder.resolve().name}/{image.name}")}'
        tasks.append(dict(data=dict(image=address), predictions=[prediction]))
    return {'tasks.json': json.dumps(tasks), 'labels.xml': _interface(images, classes)}


def _interface(images: Sequence[FoundImage], classes: Sequence[str]) -> str:
    """The labelling interface that the tasks are for, to be pasted into a project's settings."""
    kinds = {_kind(thing) for image in images for thing in image.objects} or {'rectangle'}
    root = ET.Element('View')
    ET.SubElement(root, 'Image', name='image', value='$image')
    for kind in sorted(kinds):
        tag = f'{kind.capitalize()}Labels'
        labels = ET.SubElement(root, tag, name=kind, toName='image')
        for name in classes:
            ET.SubElement(labels, 'Label', value=name)
    ET.indent(root)
    return ET.tostring(root, encoding='unicode')


def _kind(thing: FoundObject) -> str:
    if not thing.parts:
        return 'rectangle'
    return 'brush' if thing.has_holes or len(thing.parts) > 1 else 'polygon'


def _result(thing: FoundObject, number: int, size: tuple[int, int]) -> dict:
    kind, scale = _kind(thing), 100 / np.array(size)
    if kind == 'rectangle':
        left, top, width, height = (np.array(thing.box) * np.tile(scale, 2)).tolist()
        value: dict = dict(x=left, y=top, width=width, height=height, rotation=0)
    elif kind == 'polygon':
        value = dict(points=(np.array(corners(thing.parts[0].exterior)) * scale).tolist())
    else:
        value = dict(format='rle', rle=encode_brush(coco_mask.decode(thing.mask)))
    labels = f'{kind}labels'
    return {
        'id': f'{number}',
        'type': labels,
        'from_name': kind,
        'to_name': 'image',
        'original_width': size[0],
        'original_height': size[1],
        'image_rotation': 0,
        'score': thing.score,
        'value': value | {labels: [thing.label]},
    }


def encode_brush(mask: np.ndarray) -> list[int]:
    """Label Studio's run lengths of a mask (height, width), as a picture of four equal channels.

    The stream of bits is described where it is read
    (:func:`mmgreen.importing.layouts.label_studio.decode_brush`).
    """
    bits = [f'{mask.size * 4:032b}', f'{_WORD - 1:05b}']
    bits += [f'{length - 1:04b}' for length in _LENGTHS]
    longest = 1 << _LENGTHS[-1]
    for seen, run in groupby(mask.ravel().tolist()):
        left = 4 * len(list(run))
        while left:
            count = min(left, longest)
            kind = next(i for i, length in enumerate(_LENGTHS) if count <= 1 << length)
            bits.append(f'1{kind:02b}{count - 1:0{_LENGTHS[kind]}b}{255 * bool(seen):0{_WORD}b}')
            left -= count
    stream = ''.join(bits)
    stream += '0' * (-len(stream) % 8)
    return [int(stream[i : i + 8], 2) for i in range(0, len(stream), 8)]
