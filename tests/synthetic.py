"""COCO annotations and detections of any size, made for the purpose.

As a script, writes ``annotations.json`` and ``detections.segm.json``:
    python tests/synthetic.py FOLDER --images 5000 --objects 36000
"""

import argparse
import json
from pathlib import Path

import numpy as np
from faster_coco_eval.core import mask as mask_api


def ellipse(x: float, y: float, width: float, height: float) -> list[float]:
    """Polygon inside a box."""
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    corners = np.stack([x + width * (1 + np.cos(angle)) / 2, y + height * (1 + np.sin(angle)) / 2])
    return corners.T.ravel().round(2).tolist()


def make_coco(
    images: int,
    objects: int,
    categories: int = 80,
    false: float = 3.0,
    seed: int = 0,
    crowds: float = 0.02,
    size: tuple[int, int] = (480, 640),
) -> tuple[dict, list[dict]]:
    """Annotations, and detections as of a fair detector.

    Args:
        images: Number of images.
        objects: Number of objects, some of them crowds.
        categories: Number of categories.
        false: False positives an object.
        seed: Decides everything.
        crowds: Share of crowds.
        size: Height and width of every image.

    Returns:
        An annotation file's content, and results with boxes and masks.
    """
    rng = np.random.default_rng(seed)
    height, width = size

    def boxes(number: int) -> np.ndarray:
        sides = np.exp(rng.uniform(np.log(8), np.log(300), (number, 2)))
        corner = rng.random((number, 2)) * (np.array([width, height]) - sides)
        return np.concatenate([corner, sides], axis=1).round(2)

    truth = dict(
        images=[
            dict(id=7 * i + 3, file_name=f'{i:06}.jpg', height=height, width=width)
            for i in range(images)
        ],
        categories=[dict(id=2 * k + 1, name=f'category {k}') for k in range(categories)],
        annotations=[],
    )
    detections = []

    def detect(image_id: int, category_id: int, box: np.ndarray, score: float) -> None:
        box = box.round(2)
        rle = mask_api.frPyObjects([ellipse(*box)], height, width)[0]
        detections.append(
            dict(
                image_id=image_id,
                category_id=category_id,
                bbox=box.tolist(),
                score=round(float(score), 4),  # with equals among them
                segmentation=dict(size=[height, width], counts=rle['counts'].decode()),
            )
        )

    where = rng.integers(images, size=objects)
    what = rng.integers(categories, size=objects)
    for number, (i, k, box) in enumerate(zip(where, what, boxes(objects), strict=True), start=1):
        crowd = bool(rng.random() < crowds)
        polygon = ellipse(*box)
        shape = [polygon]
        if crowd:
            rle = mask_api.frPyObjects([polygon], height, width)[0]
            shape = dict(size=[height, width], counts=rle['counts'].decode())
        image_id, category_id = 7 * int(i) + 3, 2 * int(k) + 1
        truth['annotations'].append(
            dict(
                id=number,
                image_id=image_id,
                category_id=category_id,
                bbox=box.tolist(),
                area=float(box[2] * box[3] * np.pi / 4),
                iscrowd=int(crowd),
                segmentation=shape,
            )
        )
        for _ in range(int(rng.integers(0, 3))):
            shaken = box + np.tile(box[2:], 2) * rng.normal(0, 0.08, 4)
            other = rng.random() < 0.1
            category = 2 * int(rng.integers(categories)) + 1 if other else category_id
            detect(image_id, category, shaken, rng.beta(4, 2))
    number = int(objects * false)
    for i, k, box in zip(
        rng.integers(images, size=number),
        rng.integers(categories, size=number),
        boxes(number),
        strict=True,
    ):
        detect(7 * int(i) + 3, 2 * int(k) + 1, box, rng.beta(1.5, 5))
    return truth, detections


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path)
    parser.add_argument('--images', type=int, default=5000)
    parser.add_argument('--objects', type=int, default=36000)
    parser.add_argument('--categories', type=int, default=80)
    parser.add_argument('--false', type=float, default=5.0, help='false positives an object')
    args = parser.parse_args()
    truth, detections = make_coco(args.images, args.objects, args.categories, args.false)
    args.folder.mkdir(parents=True, exist_ok=True)
    (args.folder / 'annotations.json').write_text(json.dumps(truth))
    (args.folder / 'detections.segm.json').write_text(json.dumps(detections))
    print(f'{args.images} images, {args.objects} objects, {len(detections)} detections')


if __name__ == '__main__':
    main()
