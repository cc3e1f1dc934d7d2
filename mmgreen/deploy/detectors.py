"""From an image to boxes and masks, or to features, as programs that can be exported."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .boxes import best, clip, pool, suppress
from .paddings import make_paddings_constant
from .windows import make_windows_symbolic

#: Image sides are padded to multiples of it, which all windows and pyramids take.
STRIDE = 32


class Exportable(nn.Module):
    """What detectors share: an image is prepared, and goes through backbone and neck.

    Args:
        model: A model of mmdet, for evaluation. Its weights are used, not copied; its shifted
            windows become symbolic, and paddings constant.
        half: Whether layers have weights and numbers of 16 bits. Boxes, regions, scores and suppression keep 32.
    """

    model: Any

    def __init__(self, model: nn.Module, half: bool = False) -> None:
        super().__init__()
        make_windows_symbolic(model)
        make_paddings_constant(model)
        self.model = model.half() if half else model
        self.dtype = torch.float16 if half else torch.float32

    def prepared(self, image: Tensor) -> Tensor:
        """An image as the backbone takes it, (1, 3, H, W), padded to multiples of :data:`STRIDE`.

        Args:
            image: RGB, uint8, (H, W, 3).
        """
        before = self.model.data_preprocessor
        height, width = image.shape[:2]
        if not before._channel_conversion:
            image = image.flip(2)  # the model wants BGR
        x = image.permute(2, 0, 1)[None].float()
        if before._enable_normalize:
            x = (x - before.mean.float()) / before.std.float()
        rows, cols = (height + STRIDE - 1) // STRIDE, (width + STRIDE - 1) // STRIDE
        x = F.pad(x, (0, cols * STRIDE - width, 0, rows * STRIDE - height), value=before.pad_value)
        return x.to(self.dtype)

    def features(self, image: Tensor) -> Sequence[Tensor]:
        """Maps of an image.

        Args:
            image: RGB, uint8, (H, W, 3).
        """
        maps: Sequence[Tensor] = self.model.extract_feat(self.prepared(image))
        return maps


class Features(Exportable):
    """The backbone of a detector or of a pre-training, by which images are compared."""

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """See an image.

        Args:
            image: RGB, uint8, (H, W, 3).

        Returns:
            Its features (C,), the last map averaged.
        """
        last = self.model.backbone(self.prepared(image))[-1]
        return (last[0].float().mean((1, 2)),)


class OneStage(Exportable):
    """A detector whose head gives boxes at once: RetinaNet, RTMDet, FCOS and their like."""

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Detect objects.

        Args:
            image: RGB, uint8, (H, W, 3).

        Returns:
            Boxes (N, 4) as x1, y1, x2, y2 in pixels, scores (N,), best first, and labels (N,).
        """
        boxes, scores, labels = self._boxes(image)
        some = (scores >= 0).nonzero()[:, 0]
        return tuple(x.index_select(0, some) for x in (boxes, scores, labels))

    def _boxes(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        head, cfg = self.model.bbox_head, self.model.bbox_head.test_cfg
        boxes, scores, labels = dense_boxes(head, self.features(image), cfg, image.shape)
        scores, places = suppress(
            boxes, scores, labels, -0.5, cfg.nms.iou_threshold, cfg.max_per_img
        )
        return boxes.index_select(0, places), scores, labels.index_select(0, places)


class TwoStage(Exportable):
    """Faster, Mask and Cascade R-CNN."""

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Detect objects.

        Args:
            image: RGB, uint8, (H, W, 3).

        Returns:
            Boxes (N, 4) as x1, y1, x2, y2 in pixels, scores (N,), best first, labels (N,) and, of
            Mask R-CNN, masks (N, 28, 28): the probability that a point of the box is the object's.
        """
        maps = self.features(image)
        boxes, scores, labels = self._boxes(maps, self._proposals(maps, image.shape), image.shape)
        some = (scores >= 0).nonzero()[:, 0]
        boxes, scores, labels = (x.index_select(0, some) for x in (boxes, scores, labels))
        if not self.model.with_mask:
            return boxes, scores, labels
        return boxes, scores, labels, self._masks(maps, boxes, labels)

    def _proposals(self, maps: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
        head, cfg = self.model.rpn_head, self.model.rpn_head.test_cfg
        boxes, scores, levels = dense_boxes(head, maps, cfg, shape, by_level=True)
        scores, places = suppress(
            boxes, scores, levels, -0.5, cfg.nms.iou_threshold, cfg.max_per_img
        )
        # What there is none of is a box of no size, which finds nothing.
        return boxes.index_select(0, places) * (scores >= 0)[:, None]

    def _boxes(
        self, maps: Sequence[Tensor], boxes: Tensor, shape: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        roi_head, cfg = self.model.roi_head, self.model.roi_head.test_cfg
        height, width = shape[:2]
        there = boxes[:, 2] > boxes[:, 0]
        heads, extractors = _stages(roi_head.bbox_head), _stages(roi_head.bbox_roi_extractor)
        each = []
        for head, extractor in zip(heads, extractors, strict=True):
            found = head(pool(extractor, maps, boxes).to(self.dtype))
            scores, deltas = (x.float() for x in found)
            each.append(scores)
            if head is not heads[-1]:
                if not head.reg_class_agnostic:
                    label = scores[:, :-1].argmax(1)[:, None, None]
                    deltas = deltas.view(len(deltas), -1, 4)
                    deltas = deltas.gather(1, label.expand(-1, 1, 4))[:, 0]
                boxes = clip(head.bbox_coder.decode(boxes, deltas), height, width)
        scores = torch.stack(each).mean(0).softmax(-1)[:, :-1] * there[:, None]
        count, classes = scores.shape
        kinds = 1 if heads[-1].reg_class_agnostic else classes
        priors = boxes[:, None].expand(count, kinds, 4).reshape(-1, 4)
        boxes = clip(heads[-1].bbox_coder.decode(priors, deltas.reshape(-1, 4)), height, width)
        boxes = boxes.view(count, kinds, 4).expand(count, classes, 4).reshape(-1, 4)
        labels = torch.arange(classes).repeat(count)
        scores, places = suppress(
            boxes, scores.flatten(), labels, cfg.score_thr, cfg.nms.iou_threshold, cfg.max_per_img
        )
        return boxes.index_select(0, places), scores, labels.index_select(0, places)

    def _masks(self, maps: Sequence[Tensor], boxes: Tensor, labels: Tensor) -> Tensor:
        roi_head = self.model.roi_head
        heads, extractors = _stages(roi_head.mask_head), _stages(roi_head.mask_roi_extractor)
        each = []
        for head, extractor in zip(heads, extractors, strict=True):
            masks = head(pool(extractor, maps, boxes).to(self.dtype)).float().sigmoid()
            if not head.class_agnostic:
                own = labels[:, None, None, None].expand(-1, 1, *masks.shape[2:])
                masks = masks.gather(1, own)
            each.append(masks[:, 0])
        return torch.stack(each).mean(0)


def _stages(part: nn.Module) -> list[Any]:
    """A cascade's heads or extractors, or the one that there is."""
    return list(part) if isinstance(part, nn.ModuleList) else [part]


def dense_boxes(
    head: Any, maps: Sequence[Tensor], cfg: Any, shape: Sequence[int], by_level: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes of a dense head before suppression: of each level the best by their scores.

    Args:
        head: A head of mmdet, with priors and a box coder.
        maps: What it sees.
        cfg: Its test settings.
        shape: Height and width of the image.
        by_level: Whether groups are the levels, as in a region proposal network, or the categories.

    Returns:
        Boxes (N, 4), scores (N,), -1 where there is no box, and groups (N,).
    """
    outs = head(maps)
    grids = [(x.shape[2], x.shape[3]) for x in outs[0]]
    priors = head.prior_generator.grid_priors(grids, device=outs[0][0].device)
    found = []
    for level, (scores, deltas) in enumerate(zip(outs[0], outs[1], strict=True)):
        scores = scores[0].permute(1, 2, 0).reshape(-1, head.cls_out_channels).float()
        deltas = deltas[0].permute(1, 2, 0).reshape(-1, 4).float()
        scores = scores.sigmoid() if head.use_sigmoid_cls else scores.softmax(-1)[:, :-1]
        classes = scores.shape[1]
        flat = scores.flatten()
        if not by_level:
            flat = torch.where(flat > cfg.get('score_thr', 0), flat, -1.0)
        flat, places = best(flat, cfg.nms_pre)
        rows, labels = places // classes, places % classes
        if len(outs) > 2:  # centerness and its like
            factors = outs[2][level][0].permute(1, 2, 0).flatten().float().sigmoid()
            flat = torch.where(flat < 0, flat, flat * factors.index_select(0, rows))
        boxes = head.bbox_coder.decode(
            priors[level].index_select(0, rows), deltas.index_select(0, rows)
        )
        found.append((boxes, flat, torch.full_like(labels, level) if by_level else labels))
    boxes, scores, groups = (torch.cat(parts) for parts in zip(*found, strict=True))
    boxes = clip(boxes, shape[0], shape[1])
    smallest = cfg.get('min_bbox_size', -1)
    if smallest >= 0:
        large = ((boxes[:, 2:] - boxes[:, :2]) > smallest).all(1)
        scores = torch.where(large, scores, -1.0)
    return boxes, scores, groups
