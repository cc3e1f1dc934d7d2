"""Boxes chosen and regions pooled by operators that an exported program can express."""

from collections.abc import Sequence

import torch
import torchvision
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor


def clip(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Boxes (..., 4) cut off at the border of their images, whose height and width are (..., 2)."""
    return torch.minimum(boxes.clamp(min=0), sizes.flip(-1).to(boxes.dtype).tile(2))


def take(x: Tensor, places: Tensor) -> Tensor:
    """Of the rows of each image, (B, N, ...), those at places (B, K): (B, K, ...)."""
    firsts = torch.arange(x.shape[0], device=x.device)[:, None] * x.shape[1]
    rows = x.reshape(-1, *x.shape[2:]).index_select(0, (firsts + places).reshape(-1))
    return rows.view(*places.shape, *x.shape[2:])


def best(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The highest scores of each image, and where they are.

    Args:
        scores: (B, N), none below zero.
        count: How many; of fewer the rest is -1, and its places are of any.

    Returns:
        Both (B, count).
    """
    none = scores.new_full((scores.shape[0], count), -1.0)
    scores, places = torch.cat([scores, none], 1).topk(count)
    return scores, torch.where(scores < 0, 0, places)


def suppress(
    boxes: Tensor, scores: Tensor, groups: Tensor, above: float, overlap: float, count: int
) -> tuple[Tensor, Tensor]:
    """Non-maximum suppression within groups of each image, as :func:`mmcv.ops.batched_nms` does it.

    Args:
        boxes: (B, N, 4).
        scores: (B, N).
        groups: (B, N), int64: only boxes of one group suppress each other.
        above: Boxes of this score or less are left out.
        overlap: Intersection over union beyond which a box is suppressed.
        count: How many of each image are wanted.

    Returns:
        Scores of the best, (B, count), where there are fewer -1, and where they are, (B, count).
    """
    images, each = scores.shape
    some = (scores.reshape(-1) > above).nonzero()[:, 0]
    few, those = (x.index_select(0, some) for x in (boxes.reshape(-1, 4), scores.reshape(-1)))
    # Groups far apart from left to right, and images from top to bottom. A border, for no box at all has no
    # largest coordinate.
    offset = torch.cat([few.flatten(), few.new_zeros(1)]).max() + 1
    image = some // each
    apart = torch.stack([groups.reshape(-1).index_select(0, some), image], 1).tile(2)
    kept = torchvision.ops.nms(few + apart * offset, those, overlap)  # best first
    those, image, some = (x.index_select(0, kept) for x in (those, image, some))
    own = (image[:, None] == torch.arange(images, device=image.device)).float()  # as TensorRT sums
    rank = (own.cumsum(0) * own).sum(1).long() - 1
    fit = (rank < count).nonzero()[:, 0]
    those, image, some, rank = (x.index_select(0, fit) for x in (those, image, some, rank))
    slots = image * count + rank
    found = scores.new_full((images * count,), -1.0).index_copy(0, slots, those)
    places = some.new_zeros(images * count).index_copy(0, slots, some - image * each)
    return found.view(images, count), places.view(images, count)


def pool(extractor: SingleRoIExtractor, maps: Sequence[Tensor], rois: Tensor) -> Tensor:
    """Features of regions, each from the map of its size (Feature Pyramid Networks, equation 1).

    Args:
        extractor: The extractor of a detector.
        maps: One for each of its layers, (B, C, H, W).
        rois: (N, 5): of which image, and x1, y1, x2, y2 in its pixels.

    Returns:
        (N, C, height, width), float32: half precision has no place for the corners of large images.
    """
    layers = extractor.roi_layers
    level = extractor.map_roi_levels(rois, len(layers))
    size = layers[0].output_size
    out = rois.new_zeros(rois.shape[0], extractor.out_channels, *size)
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
