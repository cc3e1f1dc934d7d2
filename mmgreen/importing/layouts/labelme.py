"""LabelMe: a JSON file for each image, polygons, rectangles, circles and masks, grouped or not.

X-AnyLabeling and AnyLabeling write it, too, with kinds of shapes more.
"""

import base64
import io
from collections import defaultdict

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from ..dataset import IGNORE
from ..objects import Unread, corners_of_box, ellipse, encode_mask
from ..source import Source
from .layout import Layout, Reading, json_files, read_json
from .pairs import Content, read_pairs

# They have no area, so that they are no objects of a detector.
_WITHOUT_AREA = ('point', 'points', 'line', 'linestrip')
_OUTLINES = ('polygon', 'rotation', 'quadrilateral', 'oriented_rectangle')


def _find(source: Source) -> list[str]:
    return json_files(source, source.notes, 'labelme')


def _read(source: Source, names: list[str]) -> Reading:
    return Reading({'all': read_pairs(source, names, 'LabelMe', _read_file)})


def _read_file(source: Source, name: str) -> Content:
    content = read_json(source.notes.path(name))
    size = (content.get('imageWidth'), content.get('imageHeight'))
    groups = _groups(content['shapes'], source)
    return Content(content.get('imagePath'), size, groups, _object)


def _groups(shapes: list[dict], source: Source) -> list[list[dict]]:
    """The shapes of each object."""
    groups = defaultdict(list)
    for i, shape in enumerate(shapes):
        if shape.get('shape_type') in _WITHOUT_AREA:
            source.objects_left_out[f'shapes of type {shape["shape_type"]}, without area'] += 1
            continue
        group = shape.get('group_id')
        # Without a group every shape is an object of its own.
        groups[shape['label'], ('alone', i) if group is None else group].append(shape)
    return list(groups.values())


def _object(shapes: list[dict], size: tuple[int, int]) -> dict:
    label = shapes[0]['label']
    # X-AnyLabeling marks what is difficult.
    crowd = label == IGNORE or any(shape.get('difficult') for shape in shapes)
    thing = dict(label=label, iscrowd=int(crowd))
    masks = [_mask(shape, size) for shape in shapes if shape.get('shape_type') == 'mask']
    polygons = [_polygon(shape) for shape in shapes if shape.get('shape_type') != 'mask']
    if not masks:
        return dict(thing, segmentation=polygons)
    masks += coco_mask.frPyObjects(polygons, size[1], size[0]) if polygons else []
    return dict(thing, segmentation=encode_mask(coco_mask.decode(masks).any(2)))


def _polygon(shape: dict) -> list[float]:
    """The outline of a shape, x and y in turn."""
    points = np.asarray(shape['points'], float)
    kind = shape.get('shape_type') or 'polygon'
    if kind == 'rectangle' and len(points) == 2:  # newer versions write all four corners
        return corners_of_box(*points.ravel())
    if kind == 'circle':
        centre, edge = points
        return ellipse(centre, [np.linalg.norm(edge - centre)] * 2).ravel().tolist()
    if kind not in (*_OUTLINES, 'rectangle'):
        raise Unread(f'shapes of type {kind}')
    if len(points) < 3:
        raise Unread(f'shapes of type {kind} with fewer than three points')
    return points.ravel().tolist()


def _mask(shape: dict, size: tuple[int, int]) -> dict:
    """Run lengths of a mask, a small PNG at the upper left corner of its box."""
    patch = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape['mask'])))).astype(bool)
    left, top = (round(v) for v in shape['points'][0])
    whole = np.zeros((size[1], size[0]), bool)
    patch = patch[max(-top, 0) :, max(-left, 0) :]
    target = whole[max(top, 0) :, max(left, 0) :][: patch.shape[0], : patch.shape[1]]
    target[:] = patch[: target.shape[0], : target.shape[1]]
    return coco_mask.encode(np.asfortranarray(whole, np.uint8))


LABELME = Layout('LabelMe', 'a .json for each image, mostly beside it', _find, _read)
