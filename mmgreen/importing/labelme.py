"""Instances of LabelMe: polygons, rectangles, circles and masks, grouped or not."""

import base64
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from .sizes import check_size

# Corners of the polygon that stands for a circle.
_CIRCLE_CORNERS = 64


def read_labelme(path: Path, size: tuple[int, int], left_out: Counter) -> Iterator[dict]:
    """Instances of a LabelMe file: label and segmentation."""
    content = json.loads(path.read_text(encoding='utf-8'))
    check_size((content.get('imageWidth'), content.get('imageHeight')), size, path)
    groups = defaultdict(list)
    for i, shape in enumerate(content['shapes']):
        group = shape.get('group_id')
        # Without a group every shape is an instance of its own.
        groups[shape['label'], ('alone', i) if group is None else group].append(shape)
    for (label, _), shapes in groups.items():
        polygons, masks = [], []
        for shape in shapes:
            if shape.get('shape_type') == 'mask':
                masks.append(_mask(shape, size))
            elif (polygon := _polygon(shape)) is None:
                left_out[f'shapes of type {shape.get("shape_type")}'] += 1
            else:
                polygons.append(polygon)
        if masks:
            masks += coco_mask.frPyObjects(polygons, size[1], size[0]) if polygons else []
            rle = coco_mask.merge(masks)
            rle['counts'] = rle['counts'].decode()
            yield dict(label=label, segmentation=rle)
        elif polygons:
            yield dict(label=label, segmentation=polygons)


def _polygon(shape: dict) -> list[float] | None:
    """The outline of a LabelMe shape, x and y in turn; ``None`` where it has no area."""
    points = np.asarray(shape['points'], float)
    kind = shape.get('shape_type') or 'polygon'
    if kind == 'rectangle' and len(points) == 2:  # newer versions write all four corners
        (x0, y0), (x1, y1) = points
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    elif kind == 'circle':
        centre, edge = points
        angles = np.linspace(0, 2 * np.pi, _CIRCLE_CORNERS, endpoint=False)
        radius = np.linalg.norm(edge - centre)
        points = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    elif kind not in ('polygon', 'rectangle'):
        return None
    return points.ravel().tolist() if len(points) >= 3 else None


def _mask(shape: dict, size: tuple[int, int]) -> dict:
    """Run lengths of a LabelMe mask, a small PNG at the upper left corner of its box."""
    patch = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape['mask'])))).astype(bool)
    left, top = (int(v) for v in shape['points'][0])
    whole = np.zeros((size[1], size[0]), np.uint8, order='F')
    target = whole[top : top + patch.shape[0], left : left + patch.shape[1]]
    target[:] = patch[: target.shape[0], : target.shape[1]]
    return coco_mask.encode(whole)
