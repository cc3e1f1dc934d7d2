"""Images with what is there and what was found, drawn by mmdet."""

import base64
import warnings
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from faster_coco_eval import COCO
from faster_coco_eval.core import mask as mask_api

from .comparison import SCORE
from .document import Picture

#: Width in pixels of every picture.
_WIDTH = 480


def draw_example(
    truth: COCO, image_id: int, image: np.ndarray, found: Sequence[dict] | None, caption: str
) -> Picture:
    """Draw an image with detections of a score of ``SCORE``, or with the ground truth.

    Args:
        truth: Annotations.
        image_id: Image.
        image: RGB, uint8, (height, width, 3).
        found: COCO results, of any images; None draws the annotations.
        caption: Below the picture.
    """
    from mmdet.structures import DetDataSample  # slow to import
    from mmdet.visualization import DetLocalVisualizer
    from mmengine.structures import InstanceData

    from mmgreen.visualization.lettering import drawable

    height, width = image.shape[:2]
    scale = _WIDTH / width
    size = (_WIDTH, max(1, round(height * scale)))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    cat_ids = sorted(truth.cats)
    crowd = len(cat_ids)  # a crowd is drawn as such, and not as an object of its category
    if found is None:
        entries = truth.imgToAnns[image_id]
    else:
        entries = [e for e in found if e['image_id'] == image_id and e['score'] >= SCORE]
    # Results may be masks alone.
    corners = [entry.get('bbox') or mask_api.toBbox(entry['segmentation']) for entry in entries]
    boxes = np.array(corners, dtype=np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    instances = InstanceData(
        bboxes=torch.from_numpy((boxes * scale).clip(0, [*size, *size])),
        labels=torch.tensor(
            [
                crowd if entry.get('iscrowd') else cat_ids.index(entry['category_id'])
                for entry in entries
            ]
        ),
    )
    if found is not None:
        instances.scores = torch.tensor([entry['score'] for entry in entries])
    if entries and all(entry.get('segmentation') for entry in entries):
        masks = [_mask(entry['segmentation'], height, width) for entry in entries]
        instances.masks = np.stack(
            [cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) > 0 for mask in masks]
        )
    sample = DetDataSample(gt_instances=instances) if found is None else DetDataSample()
    if found is not None:
        sample.pred_instances = instances
    visualizer = DetLocalVisualizer(name='report')
    names = (*(truth.cats[cat_id]['name'] for cat_id in cat_ids), 'crowd (ignored)')
    drawn = drawable(names)
    visualizer.dataset_meta = dict(classes=drawn, palette='random')
    there = sorted(set(instances.labels.tolist()))
    if numbered := [f'{drawn[i]} {names[i]}' for i in there if drawn[i] != names[i]]:
        caption += f' ({", ".join(numbered)})'  # no font has the letters
    with warnings.catch_warnings():  # of what reaches over the border by less than a pixel
        warnings.filterwarnings('ignore', message='Warning: The .* is out of bounds')
        visualizer.add_datasample(
            'example',
            image,
            sample,
            draw_gt=found is None,
            draw_pred=found is not None,
            pred_score_thr=SCORE,
        )
    return Picture(_data_uri(visualizer.get_image()), caption)


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
