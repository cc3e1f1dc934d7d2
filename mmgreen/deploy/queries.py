"""Detectors whose objects are queries of a transformer, as programs that can be exported."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .boxes import clip, take
from .detectors import Detecting, Draw


class Queries(Detecting):
    """What queries share: backbone and neck may have 16 bits, the transformer keeps 32."""

    halved = ('backbone', 'neck')


class BoxQueries(Queries):
    """DINO."""

    def found(
        self, maps: Sequence[Tensor], sizes: Tensor, sides: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor, Draw | None]:
        model, head = self.model, self.model.bbox_head
        maps = [x.float() for x in maps]
        shapes = [(x.shape[2], x.shape[3]) for x in maps]
        beyond = [_beyond(sizes, shape, sides) for shape in shapes]
        places = [
            _in_rows(model.positional_encoding(mask)) + model.level_embed[level]
            for level, mask in enumerate(beyond)
        ]
        mask = torch.cat([each.flatten(1) for each in beyond], 1)
        told = dict(
            key_padding_mask=mask,
            spatial_shapes=shapes,
            level_start_index=None,
            valid_ratios=torch.stack([model.get_valid_ratio(each) for each in beyond], 1),
        )
        seen = torch.cat([_in_rows(x) for x in maps], 1)
        memory = model.encoder(query=seen, query_pos=torch.cat(places, 1), **told)
        begun, _ = model.pre_decoder(memory, mask, shapes)
        states, references = model.decoder(
            query=begun['query'],
            value=memory,
            reference_points=begun['reference_points'],
            self_attn_mask=None,
            reg_branches=head.reg_branches,
            **told,
        )
        logits, boxes = (x[-1] for x in head(states, list(references)))
        count = head.test_cfg.get('max_per_img', model.num_queries)
        scores, best = logits.sigmoid().flatten(1).topk(count)
        centre, size = take(boxes, best // head.num_classes).split(2, -1)
        boxes = torch.cat([centre - size / 2, centre + size / 2], -1)
        borders = sizes[:, None]
        boxes = clip(boxes * borders.flip(-1).tile(2), borders)
        return boxes, scores, best % head.num_classes, None


class MaskQueries(Queries):
    """Mask2Former, whose masks are of the whole image, (N, H / 4, W / 4), logits, and whose boxes are theirs."""

    mask_threshold = 0.0
    exact = (
        False  # queries look where masks are above zero, by which the last digit of a sum is seen
    )

    def __init__(self, model: nn.Module, half: bool = False) -> None:
        super().__init__(model, half)
        self.mask_stride = int(self.model.panoptic_head.pixel_decoder.strides[0])

    def found(
        self, maps: Sequence[Tensor], sizes: Tensor, sides: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor, Draw | None]:
        head, fusion = self.model.panoptic_head, self.model.panoptic_fusion_head
        logits, masks = (x[-1] for x in head([x.float() for x in maps], None))
        scores = logits.softmax(-1)[..., :-1]
        queries, classes = scores.shape[1:]
        count = min(fusion.test_cfg.get('max_per_image', 100), queries * classes)
        scores, best = scores.flatten(1).topk(count)
        labels = best % classes
        masks = take(masks, best // classes)
        scores, boxes = _judged(scores, masks, sizes, sides)
        scores = torch.where(labels < fusion.num_things_classes, scores, -1.0)
        scores, order = scores.topk(count)  # best first
        masks = take(masks, order).flatten(0, 1)

        def draw(boxes: Tensor, labels: Tensor, number: Tensor, some: Tensor) -> Tensor:
            return masks.index_select(0, some)

        return take(boxes, order), scores, take(labels, order), draw


def _judged(
    scores: Tensor, masks: Tensor, sizes: Tensor, sides: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Scores (B, N) times how sure their masks are where the object is, and the boxes of masks (B, N, 4).

    Args:
        scores: (B, N).
        masks: Logits, (B, N, H / 4, W / 4).
        sizes: Height and width of the images, (B, 2).
        sides: Of the images as they were padded.
    """
    logits = F.interpolate(masks, tuple(sides), mode='bilinear', align_corners=False)
    there = (logits > 0) & ~_beyond(sizes, sides, sides)[:, None]
    sure = (logits.sigmoid() * there).sum((2, 3)) / (there.sum((2, 3)) + 1e-6)
    ends = []
    for axis, side in ((2, sides[1]), (3, sides[0])):  # columns, and rows
        some, places = there.any(axis), torch.arange(side)
        ends.append(torch.where(some, places, side).amin(2))
        ends.append(torch.where(some, places + 1, 0).amax(2))
    left, right, top, bottom = ends
    boxes = torch.stack([left, top, right, bottom], -1) * (right > 0)[..., None]
    return scores * sure, boxes.to(scores.dtype)


def _beyond(sizes: Tensor, shape: Sequence[int], sides: Sequence[int]) -> Tensor:
    """Places of a map beyond the images, (B, *shape), as nearest neighbours of their pixels say.

    Args:
        sizes: Height and width of the images, (B, 2).
        shape: Of the map.
        sides: Of the images as they were padded.
    """
    rows, cols = (torch.arange(n) * side // n for n, side in zip(shape, sides, strict=True))
    inside = (rows < sizes[:, :1])[:, :, None] & (cols < sizes[:, 1:])[:, None]
    return ~inside


def _in_rows(map_: Tensor) -> Tensor:
    """A map (B, C, H, W) as (B, H * W, C)."""
    return map_.flatten(2).transpose(1, 2)
