"""Writes annotated images in every layout, whatever their names."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import numpy as np
import yaml
from PIL import Image

SIZE = (24, 20)


@dataclass
class World:
    """Annotated images, by path below the folder of images, and what is on them.

    Attributes:
        images: Objects by path: a category's number and a box in whole pixels.
        categories: Names, hostile ones too.
    """

    images: dict[str, list[tuple[int, tuple[int, int, int, int]]]]
    categories: list[str]
    folder: str = field(default='')


def picture(path: Path, seed: int) -> None:
    """An image like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)
    Image.fromarray(noise).save(path)


def outline(box: tuple[int, int, int, int]) -> list[float]:
    x, y, w, h = map(float, box)
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def _dump(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _labelme(world: World, root: Path) -> None:
    for name, things in world.images.items():
        shapes = [
            dict(
                label=world.categories[k],
                points=np.reshape(outline(box), (-1, 2)).tolist(),
                shape_type='polygon',
                group_id=None,
            )
            for k, box in things
        ]
        path = root / name
        content = dict(shapes=shapes, imagePath=path.name, imageWidth=SIZE[0], imageHeight=SIZE[1])
        _dump(path.with_suffix('.json'), content)


def _voc(world: World, root: Path) -> None:
    for name, things in world.images.items():
        top = ElementTree.Element('annotation')
        ElementTree.SubElement(top, 'filename').text = name.rpartition('/')[2]
        for k, (x, y, w, h) in things:
            entry = ElementTree.SubElement(top, 'object')
            ElementTree.SubElement(entry, 'name').text = world.categories[k]
            box = ElementTree.SubElement(entry, 'bndbox')
            corners = dict(xmin=x + 1, ymin=y + 1, xmax=x + w, ymax=y + h)
            for key, value in corners.items():
                ElementTree.SubElement(box, key).text = str(value)
        ElementTree.ElementTree(top).write((root / name).with_suffix('.xml'), 'utf-8')


def _yolo(world: World, root: Path) -> None:
    (root / 'data.yaml').write_text(yaml.safe_dump(dict(names=world.categories)))
    for name, things in world.images.items():
        lines = [
            f'{k} {(x + w / 2) / SIZE[0]} {(y + h / 2) / SIZE[1]} {w / SIZE[0]} {h / SIZE[1]}\n'
            for k, (x, y, w, h) in things
        ]
        path = (root / 'labels' / name.removeprefix('images/')).with_suffix('.txt')
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(''.join(lines))


def _coco(world: World, root: Path) -> None:
    images, annotations = [], []
    for i, (name, things) in enumerate(world.images.items(), 1):
        images.append(dict(id=i, file_name=name, width=SIZE[0], height=SIZE[1]))
        annotations += [
            dict(
                id=1000 * i + j,
                image_id=i,
                category_id=k,
                bbox=list(box),
                area=box[2] * box[3],
                segmentation=[outline(box)],
            )
            for j, (k, box) in enumerate(things)
        ]
    categories = [dict(id=i, name=name) for i, name in enumerate(world.categories)]
    content = dict(images=images, annotations=annotations, categories=categories)
    _dump(root / 'annotations/instances_default.json', content)


def _cvat(world: World, root: Path) -> None:
    top = ElementTree.Element('annotations')
    for i, (name, things) in enumerate(world.images.items()):
        size = dict(width=str(SIZE[0]), height=str(SIZE[1]))
        image = ElementTree.SubElement(top, 'image', id=str(i), name=name, **size)
        for k, box in things:
            points = ';'.join(f'{x},{y}' for x, y in np.reshape(outline(box), (-1, 2)))
            ElementTree.SubElement(image, 'polygon', label=world.categories[k], points=points)
    ElementTree.ElementTree(top).write(root / 'annotations.xml', 'utf-8')


def _studio(world: World, root: Path, least: bool = False) -> None:
    tasks = []
    for i, (name, things) in enumerate(world.images.items()):
        image = f'/data/local-files/?d={quote(name)}'
        values = [
            dict(
                points=(np.reshape(outline(box), (-1, 2)) * 100 / SIZE).tolist(),
                polygonlabels=[world.categories[k]],
            )
            for k, box in things
        ]
        size = dict(original_width=SIZE[0], original_height=SIZE[1])
        if least:
            tasks.append(dict(id=i, image=image, label=[value | size for value in values]))
        else:
            results = [
                dict(id=str(j), type='polygonlabels', value=v, **size) for j, v in enumerate(values)
            ]
            tasks.append(dict(id=i, data=dict(image=image), annotations=[dict(result=results)]))
    _dump(root / 'project.json', tasks)


LAYOUTS = {
    'LabelMe': _labelme,
    'Pascal VOC': _voc,
    'YOLO': _yolo,
    'COCO': _coco,
    'CVAT for images': _cvat,
    'Label Studio': _studio,
    'Label Studio, JSON-MIN': lambda world, root: _studio(world, root, least=True),
}


def write(layout: str, world: World, root: Path) -> None:
    """Write images and annotations."""
    root.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(world.images):
        picture(root / name, i)
    LAYOUTS[layout](world, root)
