"""Instances of Pascal VOC, which are boxes."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from .sizes import check_size


def read_voc(path: Path, size: tuple[int, int], as_masks: bool) -> Iterator[dict]:
    """Instances of a VOC file: label, box, difficult or not."""
    root = ElementTree.parse(path).getroot()
    declared = [int(root.findtext(f'size/{key}') or 0) for key in ('width', 'height')]
    check_size(declared, size, path)
    for entry in root.iter('object'):
        corners = [
            float(entry.find('bndbox').find(k).text or '') for k in ('xmin', 'ymin', 'xmax', 'ymax')
        ]
        # VOC counts pixels from 1, and the last one belongs to the box.
        left, top, right, bottom = corners[0] - 1, corners[1] - 1, corners[2], corners[3]
        instance = dict(
            label=entry.find('name').text,
            bbox=[left, top, right - left, bottom - top],
            iscrowd=int(entry.findtext('difficult') or 0),
        )
        if as_masks:
            instance['segmentation'] = [[left, top, right, top, right, bottom, left, bottom]]
        yield instance
