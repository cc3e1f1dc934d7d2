"""Objects are clipped to their image, and given box and area."""

from pycocotools import mask as coco_mask


def complete(instance: dict, size: tuple[int, int]) -> dict | None:
    """Clip an object to its image and add box and area; ``None`` if nothing is left.

    Args:
        instance: ``label``, and ``segmentation`` (polygons or run lengths) or ``bbox``.
        size: Width and height of the image.
    """
    width, height = size
    mask = instance.get('segmentation')
    if isinstance(mask, list):
        limits = [width, height]
        mask = [
            [min(max(v, 0.0), limits[i % 2]) for i, v in enumerate(polygon)] for polygon in mask
        ]
        instance['segmentation'] = mask
    if mask is not None:
        encoded = mask
        if isinstance(mask, list):
            encoded = coco_mask.merge(coco_mask.frPyObjects(mask, height, width))
        box, area = coco_mask.toBbox(encoded).tolist(), float(coco_mask.area(encoded))
    else:
        x, y, across, down = instance['bbox']
        left, top = max(x, 0.0), max(y, 0.0)
        box = [left, top, min(x + across, width) - left, min(y + down, height) - top]
        area = max(box[2], 0.0) * max(box[3], 0.0)
    if min(box[2:]) < 1 or area <= 0:
        return None
    return dict(instance, bbox=box, area=area, iscrowd=instance.get('iscrowd', 0))
