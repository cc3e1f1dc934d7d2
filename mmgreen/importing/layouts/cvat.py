"""CVAT's own export, "CVAT for images 1.1": ``annotations.xml`` and a folder of images."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
from pycocotools import mask as coco_mask

from mmgreen.datasets.faults import listed

from ..dataset import AnnotatedImage
from ..objects import (
    Unread,
    box_of_corners,
    corners_of_box,
    ellipse,
    encode_mask,
    read_each,
    turned,
)
from ..source import Source
from ..splits import named_splits, split_of
from .layout import Layout, Reading, folder_of
from .pairs import DAMAGED

_DRAWN = ('box', 'polygon', 'mask', 'ellipse', 'cuboid')


def _find(source: Source) -> list[str]:
    found = []
    for name in source.tree.others:
        if name.lower().endswith('.xml'):
            with open(source.tree.path(name), 'rb') as file:
                if re.search(rb'<annotations[\s>]', file.read(4096)):
                    found.append(name)
    return found


def _read(source: Source, names: list[str]) -> Reading:
    images: list[AnnotatedImage] = []
    splits: list[str | None] = []
    files = {
        name: split for split, some in named_splits({n: n for n in names}).items() for name in some
    }
    for name in names:
        path = source.tree.path(name)
        missing: list[str] = []
        try:
            for _, element in ElementTree.iterparse(path):
                if element.tag == 'track':
                    raise ValueError('it holds tracks of a video: export "CVAT for images 1.1"')
                if element.tag == 'image':
                    image = _image(source, name, element, missing)
                    if image:
                        images.append(image)
                        said = split_of(element.get('subset') or '')
                        splits.append(said or (files[name] if files[name] != 'all' else None))
                    element.clear()
        except DAMAGED as error:
            source.faults.add('damaged', name, f'{path} is not an annotation of CVAT: {error}')
        if missing:
            source.faults.add(
                'missing',
                name,
                f'{len(missing)} images named in {path} are not below {source.folder}, or several '
                f'times: {listed(missing)}',
            )
    by_split: dict[str, list[AnnotatedImage]] = defaultdict(list)
    for image, split in zip(images, splits, strict=True):
        by_split[split or 'all'].append(image)
    follow = 'train' in by_split and 'all' not in by_split
    return Reading(dict(by_split) if follow else {'all': images})


def _image(
    source: Source, name: str, element: ElementTree.Element, missing: list[str]
) -> AnnotatedImage | None:
    said, folder = element.get('name') or '', folder_of(name)
    there = source.tree.locate(said, folder, f'{folder}/images'.lstrip('/'))
    if len(there) != 1:
        missing.append(said)
        return None
    size = source.size(there[0])
    if size is None:
        return None
    declared = tuple(int(float(element.get(key) or 0)) for key in ('width', 'height'))
    source.compare_size(there[0], declared, str(source.tree.path(name)))
    for shape in element:
        if shape.tag not in _DRAWN and shape.tag != 'attribute':
            source.objects_left_out[f'shapes of type {shape.tag}, without area'] += 1
    return AnnotatedImage(there[0], size, read_each(_groups(element), _object, size))


def _groups(element: Iterable[ElementTree.Element]) -> list[list[ElementTree.Element]]:
    """The shapes of each object: those of one label and group are one."""
    groups: dict[Any, list[ElementTree.Element]] = defaultdict(list)
    for i, shape in enumerate(element):
        if shape.tag in _DRAWN:
            group = shape.get('group_id') or '0'
            groups[shape.get('label'), i if group == '0' else f'group {group}'].append(shape)
    return list(groups.values())


def _object(shapes: list[ElementTree.Element], size: tuple[int, int]) -> dict:
    parts = [_shape(shape, size) for shape in shapes]
    label = shapes[0].get('label') or ''
    if len(parts) == 1:
        return dict(parts[0], label=label)
    outlines = [part.get('segmentation') or [_outline(*part['bbox'])] for part in parts]
    if all(isinstance(outline, list) for outline in outlines):
        return dict(label=label, segmentation=[polygon for some in outlines for polygon in some])
    masks = [
        coco_mask.merge(coco_mask.frPyObjects(outline, size[1], size[0]))
        if isinstance(outline, list)
        else outline
        for outline in outlines
    ]
    return dict(label=label, segmentation=encode_mask(coco_mask.decode(masks).any(2)))


def _outline(x: float, y: float, width: float, height: float) -> list[float]:
    return corners_of_box(x, y, x + width, y + height)


def _shape(shape: ElementTree.Element, size: tuple[int, int]) -> dict:
    def number(key: str) -> float:
        return float(shape.get(key) or '')

    angle = float(shape.get('rotation') or 0)
    if shape.tag == 'box':
        corners = [number(key) for key in ('xtl', 'ytl', 'xbr', 'ybr')]
        if not angle:
            return dict(bbox=box_of_corners(*corners))
        outline = np.array(corners_of_box(*corners)).reshape(-1, 2)
        return dict(segmentation=[turned(outline, outline.mean(0), angle).ravel().tolist()])
    if shape.tag == 'polygon':
        points = [
            float(v) for pair in (shape.get('points') or '').split(';') for v in pair.split(',')
        ]
        if len(points) < 6:
            raise Unread('outlines of fewer than three points')
        return dict(segmentation=[points])
    if shape.tag == 'ellipse':
        round_ = ellipse((number('cx'), number('cy')), (number('rx'), number('ry')), angle)
        return dict(segmentation=[round_.ravel().tolist()])
    if shape.tag == 'mask':
        return dict(segmentation=encode_mask(_mask(shape, size)))
    raise Unread(f'shapes of type {shape.tag}')


def _mask(shape: ElementTree.Element, size: tuple[int, int]) -> np.ndarray:
    """Runs of a box, row by row, beginning with what is outside."""
    left, top, across, down = (
        int(float(shape.get(k) or '')) for k in ('left', 'top', 'width', 'height')
    )
    runs = [int(run) for run in (shape.get('rle') or '').split(',')]
    if min(runs) < 0 or sum(runs) != across * down:
        raise ValueError(f'a mask has runs of {sum(runs)} pixels in a box of {across}x{down}')
    flat = np.zeros(across * down, bool)
    for i, (start, end) in enumerate(pairwise(np.cumsum([0, *runs]))):
        flat[start:end] = i % 2
    whole = np.zeros(size[::-1], bool)
    target = whole[top : top + down, left : left + across]
    target[:] = flat.reshape(down, across)[: target.shape[0], : target.shape[1]]
    return whole


CVAT = Layout('CVAT for images', 'annotations.xml beside the images or images/', _find, _read)
