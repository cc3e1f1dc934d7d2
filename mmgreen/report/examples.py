"""Images with what is there and what was found."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from faster_coco_eval import COCO
from faster_coco_eval.core import mask as mask_api

from mmgreen.visualization import draw_detections, drawable

from .document import Picture

#: Width in pixels of every picture, and height of its letters: legible where two pictures share a telephone.
_WIDTH, _LETTERS = 480, 17


def draw_example(
    truth: COCO, image_id: int, image: np.ndarray, found: Sequence[dict] | None, caption: str
) -> Picture:
    """Draw an image with detections, or with the ground truth.

    Args:
        truth: Annotations.
        image_id: Image.
        image: RGB, uint8, (height, width, 3).
        found: COCO results of the image; None draws the annotations.
        caption: Below the picture.
    """
    height, width = image.shape[:2]
    scale = _WIDTH / width
    size = (_WIDTH, max(1, round(height * scale)))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    cat_ids = sorted(truth.cats)
    crowd = len(cat_ids)  # a crowd is drawn as such, and not as an object of its category
    entries = truth.imgToAnns[image_id] if found is None else found
    # Results may be masks alone.
    corners = [entry.get('bbox') or mask_api.toBbox(entry['segmentation']) for entry in entries]
    boxes = np.array(corners, dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    labels = [
        crowd if entry.get('iscrowd') else cat_ids.index(entry['category_id']) for entry in entries
    ]
    masks = None
    if entries and all(entry.get('segmentation') for entry in entries):
        masks = [
            cv2.resize(
                _mask(e['segmentation'], height, width), size, interpolation=cv2.INTER_NEAREST
            )
            > 0
            for e in entries
        ]
    names = (*(truth.cats[cat_id]['name'] for cat_id in cat_ids), 'crowd (ignored)')
    drawn = drawable(names)
    if numbered := [f'{drawn[i]} {names[i]}' for i in sorted(set(labels)) if drawn[i] != names[i]]:
        caption += f' ({", ".join(numbered)})'  # no font has the letters
    texts = [
        drawn[label] if found is None else f'{drawn[label]} {entry["score"]:.2f}'
        for label, entry in zip(labels, entries, strict=True)
    ]
    return Picture(
        _data_uri(draw_detections(image, boxes * scale, labels, texts, masks, _LETTERS)), caption
    )


def _mask(segmentation: dict | list, height: int, width: int) -> np.ndarray:
    if isinstance(segmentation, list):
        rle = mask_api.merge(mask_api.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation['counts'], list):
        rle = mask_api.frPyObjects(segmentation, height, width)
    else:
        rle = segmentation
    return mask_api.decode(rle)


def _data_uri(image: np.ndarray) -> str:
    """An RGB image as a JPEG."""
    _, coded = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return 'data:image/jpeg;base64,' + base64.b64encode(coded.tobytes()).decode()
