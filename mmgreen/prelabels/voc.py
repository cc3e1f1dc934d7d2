"""Pascal VOC: an XML file for each image, with boxes."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as ET

from .found import FoundImage


def write(
    images: Sequence[FoundImage], classes: Sequence[str], folder: Path, place: Path
) -> dict[str, str]:
    # What importers need of categories that are not VOC's own, and of the images.
    labels = ''.join(f'{name}:::\n' for name in ('background', *classes))
    stems = [os.path.splitext(image.name)[0] for image in images]
    files = {
        'labelmap.txt': f'# label:color_rgb:parts:actions\n{labels}',
        'ImageSets/Main/default.txt': ''.join(f'{stem}\n' for stem in stems),
    }
    for image in images:
        root = ET.Element('annotation')
        ET.SubElement(root, 'filename').text = PurePosixPath(image.name).name
        size = ET.SubElement(root, 'size')
        for key, value in zip(('width', 'height', 'depth'), (*image.size, 3), strict=True):
            ET.SubElement(size, key).text = str(value)
        for thing in image.objects:
            element = ET.SubElement(root, 'object')
            for key, text in (
                *(('name', thing.label), ('pose', 'Unspecified'), ('truncated', '0')),
                *(('difficult', '0'), ('confidence', f'{thing.score:.4f}')),
            ):
                ET.SubElement(element, key).text = text
            box = ET.SubElement(element, 'bndbox')
            left, top, width, height = thing.box
            # VOC counts pixels from 1, and the last one belongs to the box.
            said = dict(xmin=left + 1, ymin=top + 1, xmax=left + width, ymax=top + height)
            for key, number in said.items():
                ET.SubElement(box, key).text = f'{number:.2f}'
        ET.indent(root)
        name = f'Annotations/{os.path.splitext(image.name)[0]}.xml'
        files[name] = ET.tostring(root, encoding='unicode')
    return files
