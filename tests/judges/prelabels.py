"""Pre-labels of this project, read by the labelling tools' own importers and validators.

`make judges` runs it twice: `write FOLDER` with this project, and `read FOLDER` in an environment of its own with
requirements/judges.txt, in which each importer must find the objects, with their masks.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (60, 40)
NAMES = ['nut', 'bolt']


def truth() -> list[dict[str, np.ndarray]]:
    """By image, masks of objects: one of one part, one of two, one with a hole; and an image of none."""
    rows, cols = np.mgrid[: SIZE[1], : SIZE[0]]
    disc = (rows - 14) ** 2 + (cols - 16) ** 2 < 100
    ring = ((rows - 20) ** 2 + (cols - 40) ** 2 < 144) & ((rows - 20) ** 2 + (cols - 40) ** 2 > 25)
    parts = (rows > 30) & (rows < 38) & ((cols < 10) | ((cols > 20) & (cols < 30)))
    return [dict(nut=disc, bolt=ring), dict(bolt=parts), {}]


def write(folder: Path) -> None:
    from pycocotools import mask as coco_mask

    from mmgreen.prelabels import FORMATS, write_prelabels

    shutil.rmtree(folder, ignore_errors=True)
    images, annotations = [], []
    for number, objects in enumerate(truth(), 1):
        name = f'{number}.png'
        (folder / 'images').mkdir(parents=True, exist_ok=True)
        Image.new('RGB', SIZE, (40 * number, 0, 0)).save(folder / 'images' / name)
        images.append(dict(id=number, file_name=name, width=SIZE[0], height=SIZE[1]))
        for label, mask in objects.items():
            rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
            annotations.append(
                dict(
                    image_id=number,
                    category_id=1 + NAMES.index(label),
                    score=0.75,
                    bbox=coco_mask.toBbox(rle).tolist(),
                    segmentation=dict(size=rle['size'], counts=rle['counts'].decode()),
                )
            )
    categories = [dict(id=i, name=name) for i, name in enumerate(NAMES, 1)]
    found = dict(images=images, annotations=annotations, categories=categories)
    write_prelabels(found, folder / 'images', folder, list(FORMATS), tolerance=0.0)


def with_images(folder: Path, name: str, files: str, images: str) -> Path:
    """A copy of a format's folder, with the images where an importer looks for them."""
    place = folder / 'read' / name
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder / name, place / files)
    shutil.copytree(folder / 'images', place / images)
    return place


def by_datumaro(folder: Path, name: str, kind: str) -> list[dict[str, np.ndarray]]:
    from datumaro import AnnotationType, Dataset

    dataset = Dataset.import_from(str(folder), kind)
    names = [category.name for category in dataset.categories()[AnnotationType.label]]
    found = []
    for item in sorted(dataset, key=lambda item: item.id):
        masks: dict[str, np.ndarray] = {}
        for thing in item.annotations:
            if thing.type == AnnotationType.bbox and name != 'voc':
                continue
            mask = masks.setdefault(names[thing.label], np.zeros(SIZE[::-1], bool))
            mask |= _drawn(thing)
        found.append(masks)
    return found


def _drawn(thing) -> np.ndarray:
    from pycocotools import mask as coco_mask

    if hasattr(thing, 'image'):
        return np.asarray(thing.image).astype(bool)
    points = thing.points if len(thing.points) > 4 else _corners(*thing.points)
    return coco_mask.decode(coco_mask.frPyObjects([points], SIZE[1], SIZE[0])).any(2)


def _corners(left: float, top: float, right: float, bottom: float) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def boxes(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Their boxes as masks."""
    filled = {}
    for label, mask in masks.items():
        rows, cols = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
        filled[label] = np.zeros_like(mask)
        filled[label][rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] = True
    return filled


def check(name: str, tool: str, found: list, expected: list, off: float = 0.0) -> None:
    """Stop where masks are others, by more than a share of their pixels."""
    assert len(found) == len(expected), (name, len(found))
    for mine, theirs in zip(expected, found, strict=True):
        assert mine.keys() == theirs.keys(), (name, mine.keys(), theirs.keys())
        for label, mask in mine.items():
            differ = (mask ^ theirs[label]).sum() / mask.sum()
            assert differ <= off, (name, label, differ)
    print(f'{name}: {sum(map(len, found))} objects as they were found, by {tool}')


def by_label_studio(folder: Path) -> list[dict[str, np.ndarray]]:
    from label_studio_sdk.converter.brush import decode_rle
    from label_studio_sdk.label_interface import LabelInterface
    from pycocotools import mask as coco_mask

    interface = LabelInterface((folder / 'labels.xml').read_text())
    found = []
    for task in json.loads((folder / 'tasks.json').read_text()):
        masks = {}
        for prediction in task['predictions']:
            errors = interface.validate_prediction(prediction, return_errors=True)
            assert not errors, errors
            for result in prediction['result']:
                value = result['value']
                if 'rle' in value:
                    pixels = decode_rle(value['rle']).reshape(*SIZE[::-1], 4)
                    masks[value['brushlabels'][0]] = pixels[..., 3] > 0
                else:
                    points = (np.array(value['points']) * SIZE / 100).ravel().tolist()
                    rle = coco_mask.frPyObjects([points], SIZE[1], SIZE[0])
                    masks[value['polygonlabels'][0]] = coco_mask.decode(rle).any(2)
        found.append(masks)
    return found


def by_supervision(folder: Path) -> list[dict[str, np.ndarray]]:
    import supervision

    dataset = supervision.DetectionDataset.from_yolo(
        str(folder / 'images'), str(folder / 'labels'), str(folder / 'data.yaml'), force_masks=True
    )
    found = {}
    for path, _, detections in dataset:
        labels = [dataset.classes[number] for number in detections.class_id]
        masks = () if detections.mask is None else detections.mask
        found[Path(path).name] = dict(zip(labels, masks, strict=True))
    return [found[name] for name in sorted(found)]


def by_labelme(folder: Path) -> list[int]:
    """How many shapes of each image; the image is loaded, too."""
    from labelme._label_file import read_label_file

    return [len(read_label_file(str(path)).shapes) for path in sorted(folder.glob('*.json'))]


def read(folder: Path) -> None:
    expected = truth()
    cvat = by_datumaro(with_images(folder, 'cvat', '.', 'images'), 'cvat', 'cvat')
    check('cvat', 'datumaro', cvat, expected)
    place = with_images(folder, 'coco', 'annotations', 'images/default')
    (place / 'annotations/instances.json').rename(place / 'annotations/instances_default.json')
    check('coco', 'datumaro', by_datumaro(place, 'coco', 'coco'), expected)
    place = with_images(folder, 'voc', '.', 'JPEGImages')
    voc = by_datumaro(place, 'voc', 'voc_detection')
    check('voc', 'datumaro', voc, [boxes(masks) for masks in expected], off=0.35)
    check('label-studio', "Label Studio's SDK", by_label_studio(folder / 'label-studio'), expected)
    place = with_images(folder, 'yolo', '.', 'images')
    # It draws the pixels that an outline touches, too.
    check('yolo', 'supervision', by_supervision(place), expected, off=0.6)
    shapes = by_labelme(folder / 'labelme')
    assert shapes == [2, 2, 0], shapes
    print('labelme: shapes and images, by LabelMe')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('what', choices=['write', 'read'])
    parser.add_argument('folder', type=Path)
    args = parser.parse_args()
    (write if args.what == 'write' else read)(args.folder)


if __name__ == '__main__':
    main()
