"""Detections of a folder of images, as a COCO file and as pictures."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from rich.progress import track

from mmgreen.errors import UserError
from mmgreen.images import read_image
from mmgreen.visualization import category_colour, draw_detections, drawable

from .detector import Detector
from .images import images_below

if TYPE_CHECKING:
    from mmdet.structures import DetDataSample


def detect_folder(
    detector: Detector, images: str | os.PathLike, pictures: str | os.PathLike | None = None
) -> dict[str, list[dict]]:
    """Detect objects in all images of a folder, and draw them.

    Args:
        detector: What finds them.
        images: Folder, or one image.
        pictures: Folder for pictures, named as the images (``.jpg`` is added to other endings); by
            default none are drawn. What lies there already is not taken for images.

    Returns:
        COCO's ``images``, ``annotations`` (with a ``score`` each) and ``categories``; files are named
        from the folder.

    Raises:
        UserError: If there is no image, or one cannot be read, or a picture would replace an image.
    """
    root = Path(images)
    if not root.exists():
        raise UserError(f'{root} does not exist: name a folder of images, or one image')
    if pictures and Path(pictures).resolve() == (root if root.is_dir() else root.parent).resolve():
        raise UserError(f'pictures would replace the images of {root}: name another folder')
    paths = images_below(root, pictures) if root.is_dir() else [root]
    entries: list[dict] = []
    annotations: list[dict] = []
    samples = detector.stream(paths)
    for number, (path, sample) in enumerate(
        zip(track(paths, 'Images'), samples, strict=True), start=1
    ):
        name = path.relative_to(root).as_posix() if root.is_dir() else path.name
        height, width = sample.ori_shape
        entries.append(dict(id=number, file_name=name, width=width, height=height))
        for found in to_coco(sample, number):
            annotations.append(dict(id=len(annotations) + 1) | found)
        if pictures:
            ending = '' if path.suffix.lower() == '.jpg' else '.jpg'
            _draw(sample, path, Path(pictures, name + ending))
    return dict(
        images=entries, annotations=annotations, categories=coco_categories(detector.classes)
    )


def coco_categories(classes: Iterable[str]) -> list[dict[str, Any]]:
    """COCO's ``categories``, counted from 1, each with its ``color`` in pictures as ``#rrggbb``."""
    return [
        dict(id=i, name=name, color='#{:02x}{:02x}{:02x}'.format(*category_colour(i - 1)))
        for i, name in enumerate(classes, start=1)
    ]


def _draw(sample: 'DetDataSample', path: Path, out: Path) -> None:
    instances = sample.pred_instances.cpu()
    masks = instances.get('masks')
    if isinstance(masks, list):  # run lengths, of tiles
        masks = [coco_mask.decode(rle).astype(bool) for rle in masks]
    elif masks is not None:
        masks = masks.numpy()
    names, labels = drawable(sample.metainfo['classes']), instances.labels.tolist()
    texts = [
        f'{names[label]} {score:.2f}'
        for label, score in zip(labels, instances.scores.tolist(), strict=True)
    ]
    picture = draw_detections(
        read_image(path), instances.bboxes.numpy().reshape(-1, 4), labels, texts, masks
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(out, quality=90)


def to_coco(sample: 'DetDataSample', image_id: int) -> list[dict]:
    """Detections of an image as annotations of COCO, with a ``score`` each.

    Args:
        sample: What a :class:`Detector` gives.
        image_id: Id of the image.

    Returns:
        With ``category_id`` counted from 1 in the order of the categories, ``bbox`` as x, y, width,
        height and, of masks, ``segmentation`` as run lengths; without ``id``.
    """
    instances = sample.pred_instances.cpu()
    masks = instances.get('masks')
    if isinstance(masks, torch.Tensor):
        masks = [coco_mask.encode(np.asfortranarray(m.numpy().astype(np.uint8))) for m in masks]
    found = []
    for i in range(len(instances)):
        left, top, right, bottom = instances.bboxes[i].tolist()
        box = [left, top, right - left, bottom - top]
        entry: dict[str, Any] = dict(
            image_id=image_id,
            category_id=int(instances.labels[i]) + 1,
            bbox=box,
            area=box[2] * box[3],
            iscrowd=0,
            score=float(instances.scores[i]),
        )
        if masks is not None:
            counts = masks[i]['counts']
            text = counts.decode() if isinstance(counts, bytes) else counts
            entry['segmentation'] = dict(size=list(masks[i]['size']), counts=text)
            entry['area'] = float(coco_mask.area(masks[i]))
        found.append(entry)
    return found
