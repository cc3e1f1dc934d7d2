"""CVAT for images 1.1: polygons, those of several parts in a group; masks with holes as run lengths."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from .found import FoundImage, FoundObject
from .outlines import corners

#: An attribute of CVAT's labels.
_SCORE = dict(name='score', mutable=False, input_type='text', default_value='', values=[''])


def write(
    images: Sequence[FoundImage], classes: Sequence[str], folder: Path, place: Path
) -> dict[str, str]:
    root = ET.Element('annotations')
    ET.SubElement(root, 'version').text = '1.1'
    root.append(_meta(classes, len(images)))
    groups = 0
    for number, image in enumerate(images):
        width, height = image.size
        said = dict(id=str(number), name=image.name, width=str(width), height=str(height))
        element = ET.SubElement(root, 'image', said)
        for thing in image.objects:
            groups += len(thing.parts) > 1
            _add(element, thing, groups)
    ET.indent(root)
    labels = [dict(name=name, attributes=[_SCORE]) for name in classes]
    return {
        'annotations.xml': ET.tostring(root, encoding='unicode', xml_declaration=True),
        'labels.json': json.dumps(labels, ensure_ascii=False, indent=1),
    }


def _meta(classes: Sequence[str], number: int) -> ET.Element:
    """What the annotations are of: their number of images, and labels with a score."""
    meta = ET.Element('meta')
    task = ET.SubElement(meta, 'task')
    ET.SubElement(task, 'size').text = str(number)
    ET.SubElement(task, 'mode').text = 'annotation'
    labels = ET.SubElement(task, 'labels')
    for name in classes:
        label = ET.SubElement(labels, 'label')
        ET.SubElement(label, 'name').text = name
        attribute = ET.SubElement(ET.SubElement(label, 'attributes'), 'attribute')
        for key in ('name', 'mutable', 'input_type'):
            ET.SubElement(attribute, key).text = str(_SCORE[key])
    return meta


def _add(image: ET.Element, thing: FoundObject, group: int) -> None:
    said = dict(label=thing.label, source='auto', occluded='0')
    if not thing.parts:
        left, top, width, height = thing.box
        corners_said = dict(xtl=left, ytl=top, xbr=left + width, ybr=top + height)
        shapes = [('box', {key: f'{value:.2f}' for key, value in corners_said.items()})]
    elif thing.has_holes:
        x, y, patch = thing.patch()
        place = dict(left=x, top=y, width=patch.shape[1], height=patch.shape[0])
        shapes = [('mask', dict(rle=_runs(patch)) | {k: str(v) for k, v in place.items()})]
    else:
        said |= dict(group_id=str(group)) if len(thing.parts) > 1 else {}
        shapes = [
            ('polygon', dict(points=';'.join(f'{x:.2f},{y:.2f}' for x, y in corners(p.exterior))))
            for p in thing.parts
        ]
    for kind, shape in shapes:
        element = ET.SubElement(image, kind, said | shape | dict(z_order='0'))
        # Of a task whose labels have such an attribute.
        ET.SubElement(element, 'attribute', name='score').text = f'{thing.score:.4f}'


def _runs(patch: np.ndarray) -> str:
    """Lengths of runs, row by row, beginning with what is outside."""
    flat = patch.ravel().tolist()
    lengths = [len(list(run)) for _, run in groupby(flat)]
    return ', '.join(map(str, ([0] if flat[0] else []) + lengths))
