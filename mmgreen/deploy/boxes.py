"""Boxes chosen and regions pooled by operators that an exported program can express."""

from collections.abc import Sequence

import torch
import torchvision
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor


def clip(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes (N, 4) cut off at the border of an image."""
    ends = torch.stack([torch.full((), side, dtype=boxes.dtype) for side in (width, height)])
    return torch.minimum(boxes.clamp(min=0), ends.repeat(2))


def best(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The highest scores, and where they are.

    Args:
        scores: (N,), none below zero.
        count: How many; of fewer the rest is -1, and its places are of any.

    Returns:
        Both (count,).
    """
    scores, places = torch.cat([scores, scores.new_full((count,), -1.0)]).topk(count)
    return scores, torch.where(scores < 0, 0, places)


def suppress(
    boxes: Tensor, scores: Tensor, groups: Tensor, above: float, overlap: float, count: int
) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression within groups, as :func:`mmcv.ops.batched_nms` does it.

    Args:
        boxes: (N, 4).
        scores: (N,).
        groups: (N,), int64: only boxes of one group suppress each other.
        above: Boxes of this score or less are left out.
        overlap: Intersection over union beyond which a box is suppressed.
        count: How many are wanted.

    Returns:
        Scores of the best, (count,), where there are fewer -1, and where they are, (count,).
    """
    some = (scores > above).nonzero()[:, 0]
    few, those = boxes.index_select(0, some), scores.index_select(0, some)
    # Groups far apart. A border, for no box at all has no largest coordinate.
    offset = torch.cat([few.flatten(), few.new_zeros(1)]).max() + 1
    apart = few + groups.index_select(0, some)[:, None] * offset
    kept = torchvision.ops.nms(apart, those, overlap)  # best first
    those = torch.cat([those.index_select(0, kept), those.new_full((count,), -1.0)])
    places = torch.cat([some.index_select(0, kept), some.new_zeros(count)])
    return those.narrow(0, 0, count), places.narrow(0, 0, count)


def pool(extractor: SingleRoIExtractor, maps: Sequence[Tensor], boxes: Tensor) -> Tensor:
    """Features of regions, each from the map of its size (Feature Pyramid Networks, equation 1).

    Args:
        extractor: The extractor of a detector.
        maps: One for each of its layers, (1, C, H, W).
        boxes: (N, 4), in pixels of the image.

    Returns:
        (N, C, height, width), float32: half precision has no place for the corners of large images.
    """
    rois = torch.cat([boxes.new_zeros(boxes.shape[0], 1), boxes], 1)
    layers = extractor.roi_layers
    level = extractor.map_roi_levels(rois, len(layers))
    size = layers[0].output_size
    out = boxes.new_zeros(boxes.shape[0], extractor.out_channels, *size)
    for i, (layer, x) in enumerate(zip(layers, maps, strict=False)):
        own = (level == i).nonzero()[:, 0]
        pooled = torchvision.ops.roi_align(
            x.float(),
            rois.index_select(0, own),
            size,
            layer.spatial_scale,
            layer.sampling_ratio,
            layer.aligned,
        )
        out = out.index_copy(0, own, pooled)
    return out
