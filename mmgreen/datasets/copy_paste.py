"""Objects of one image pasted into another, whose masks are polygons until then."""

from typing import Any

import numpy as np
from mmdet.datasets.transforms import CopyPaste as MMDetCopyPaste
from mmdet.structures.mask import BitmapMasks

from mmgreen.errors import UserError
from mmgreen.registry import TRANSFORMS


@TRANSFORMS.register_module()
class CopyPaste(MMDetCopyPaste):
    """mmdet's step of `Simple Copy-Paste <https://arxiv.org/abs/2012.07177>`_, for images and masks as they come.

    Masks may be polygons (:class:`LoadAnnotations`), which were resized and cropped in no time: bitmaps they become
    only here, of the crops. The other image may have another size: it is cut off, or padded, on the right and below. What
    is covered is no object any more, where mmdet leaves boxes without area, whose loss is not a number.

    In the pipeline of an ``mmgreen.CocoDataset``, or in that of a ``MultiImageMixDataset``, after the steps that make crops.

    Args:
        **kwargs: See :class:`mmdet.datasets.transforms.CopyPaste`.

    Raises:
        UserError: If the dataset is of another type, which gives no other image.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if 'mix_results' not in results:
            raise UserError(
                "mmgreen.CopyPaste needs another image: let the dataset be of type='mmgreen.CocoDataset'"
            )
        (other,) = results['mix_results']
        other = _of_shape(other, results['img'].shape[:2])
        results = results | dict(mix_results=[other], gt_masks=_bitmaps(results['gt_masks']))
        mixed: dict[str, Any] = super().transform(results)
        return _visible(mixed)

    def _copy_paste(
        self, dst_results: dict[str, Any], src_results: dict[str, Any]
    ) -> dict[str, Any]:
        """As mmdet's, which computes with integers of 64 bits, and with objects that nothing is pasted on."""
        pasted = src_results['gt_masks'].masks
        if not len(pasted):
            return dst_results
        covered, kind = pasted.any(0), type(dst_results['gt_bboxes'])
        masks, boxes = dst_results['gt_masks'].masks, dst_results['gt_bboxes'].tensor.clone()
        touched = np.flatnonzero((masks & covered).any((1, 2)))
        left = masks[touched] & ~covered
        cut = BitmapMasks(left, *covered.shape).get_bboxes(kind).tensor
        near = ((cut - boxes[touched]).abs() <= self.bbox_occluded_thr).all(1).numpy()
        hidden = touched[~near & (left.sum((1, 2)) <= self.mask_occluded_thr)]
        masks[touched], boxes[touched] = left, cut
        kept = np.setdiff1d(np.arange(len(masks)), hidden)
        joined = {
            key: np.concatenate([dst_results[key][kept], src_results[key]])
            for key in ('gt_bboxes_labels', 'gt_ignore_flags')
        }
        image = dst_results['img'].copy()
        image[covered] = src_results['img'][covered]
        return (
            dst_results
            | joined
            | dict(
                img=image,
                gt_bboxes=kind.cat([kind(boxes[kept]), src_results['gt_bboxes']]),
                gt_masks=BitmapMasks(np.concatenate([masks[kept], pasted]), *covered.shape),
            )
        )


def _bitmaps(masks: Any) -> BitmapMasks:
    if isinstance(masks, BitmapMasks):
        return masks
    # Of polygons mmdet makes bools, which it cannot pad to the largest image of a batch.
    return BitmapMasks(masks.to_bitmap().masks.astype(np.uint8), masks.height, masks.width)


def _of_shape(sample: dict[str, Any], shape: tuple[int, int]) -> dict[str, Any]:
    """A sample whose image is cut off or padded to a height and width, with what of its objects is inside."""
    height, width = shape
    masks = _bitmaps(sample['gt_masks'])
    if sample['img'].shape[:2] == shape:
        return sample | dict(gt_masks=masks)
    image = sample['img'][:height, :width]
    rest = [(0, height - image.shape[0]), (0, width - image.shape[1])]
    image = np.pad(image, rest + [(0, 0)] * (image.ndim - 2))
    cut = BitmapMasks(np.pad(masks.masks[:, :height, :width], [(0, 0), *rest]), height, width)
    boxes = cut.get_bboxes(type(sample['gt_bboxes']))
    return _visible(sample | dict(img=image, img_shape=shape, gt_masks=cut, gt_bboxes=boxes))


def _visible(sample: dict[str, Any]) -> dict[str, Any]:
    """A sample without objects of which no pixel is left."""
    boxes = sample['gt_bboxes']
    there = sample['gt_masks'].areas > 0
    there &= ((boxes.widths >= 1) & (boxes.heights >= 1)).numpy()
    kept = {
        key: sample[key][there]
        for key in ('gt_bboxes', 'gt_bboxes_labels', 'gt_ignore_flags', 'gt_masks')
    }
    return sample | kept
