"""Pascal VOC: an XML file for each image, with boxes, outlines or boxes that are turned.

LabelMe's page in the web writes such files, too.
"""

import re
from xml.etree import ElementTree

import numpy as np

from ..objects import Unread, box_of_corners, turned
from ..source import Source
from .layout import Layout, Reading
from .pairs import Content, read_pairs


def _find(source: Source) -> list[str]:
    files = [name for name in source.notes.others if name.lower().endswith('.xml')]
    return [name for name in files if _root(source, name) == b'annotation']


def _root(source: Source, name: str) -> bytes:
    """The first element of an XML file."""
    with open(source.notes.path(name), 'rb') as file:
        found = re.search(rb'<([A-Za-z]\w*)', re.sub(rb'<!--.*?-->', b'', file.read(4096)))
    return found[1] if found else b''


def _read(source: Source, names: list[str]) -> Reading:
    return Reading({'all': read_pairs(source, names, 'Pascal VOC', _read_file)})


def _read_file(source: Source, name: str) -> Content:
    root = ElementTree.parse(source.notes.path(name)).getroot()
    size = tuple(int(float(root.findtext(f'size/{key}') or 0)) for key in ('width', 'height'))
    objects = [o for o in root.iter('object') if (o.findtext('deleted') or '0').strip() != '1']
    return Content(root.findtext('filename'), size, objects, _object)


def _object(entry: ElementTree.Element, size: tuple[int, int]) -> dict:
    # Difficult ones are neither to be found nor to be missed.
    difficult = int(float(entry.findtext('difficult') or 0) > 0)
    return dict(label=entry.findtext('name') or '', iscrowd=difficult, **_shape(entry))


def _shape(entry: ElementTree.Element) -> dict:
    box, polygon, oriented = (entry.find(key) for key in ('bndbox', 'polygon', 'robndbox'))
    if polygon is not None and polygon.find('pt') is not None:  # of LabelMe's page in the web
        points = [(pt.findtext('x') or '', pt.findtext('y') or '') for pt in polygon.iter('pt')]
        if len(points) < 3:
            raise Unread(f'outlines of {len(points)} points')
        return dict(segmentation=[[float(v) for point in points for v in point]])
    if polygon is not None and len(polygon):
        numbers = {point.tag: float(point.text or '') for point in polygon}
        count = len(numbers) // 2
        outline = [numbers[f'{axis}{i}'] for i in range(1, count + 1) for axis in 'xy']
        if count < 3:
            raise Unread(f'outlines of {count} points')
        return dict(segmentation=[outline])
    if box is not None:
        x0, y0, x1, y1 = (float(box.findtext(k) or '') for k in ('xmin', 'ymin', 'xmax', 'ymax'))
        left, top, across, down = box_of_corners(x0, y0, x1, y1)
        # VOC counts pixels from 1, and the last one belongs to the box.
        return dict(bbox=[left - 1, top - 1, across + 1, down + 1])
    if oriented is not None:
        x, y, w, h, angle = (
            float(oriented.findtext(k) or '') for k in ('cx', 'cy', 'w', 'h', 'angle')
        )
        corners = np.array([(-w, -h), (w, -h), (w, h), (-w, h)]) / 2 + (x, y)
        corners = turned(corners, np.array([x, y]), np.degrees(angle))
        return dict(segmentation=[corners.ravel().tolist()])
    raise ValueError('an object has neither bndbox, polygon nor robndbox')


VOC = Layout('Pascal VOC', 'an .xml for each image, beside it or in Annotations/', _find, _read)
