"""From an image to boxes and masks, or to features, as programs that can be exported."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .boxes import best, clip, pool, suppress, take
from .deformable import make_deformable_symbolic
from .paddings import make_paddings_constant
from .windows import make_windows_symbolic

#: Image sides are padded to multiples of it, which all windows and pyramids take.
STRIDE = 32
#: From boxes (N, 4), labels, numbers of images and places, (N,), to their masks.
Draw = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


class Exportable(nn.Module):
    """What detectors share: an image is prepared, and goes through backbone and neck.

    Args:
        model: A model of mmdet, for evaluation. Its weights are used, not copied; its shifted
            windows become symbolic, and paddings constant.
        half: Whether layers have weights and numbers of 16 bits. Boxes, regions, scores and suppression keep 32.

    Attributes:
        halved: Names of the parts that may have 16 bits; all where there is none.
    """

    model: Any
    halved: tuple[str, ...] = ()

    def __init__(self, model: nn.Module, half: bool = False) -> None:
        super().__init__()
        make_windows_symbolic(model)
        make_deformable_symbolic(model)
        make_paddings_constant(model)
        self.model = model
        if half:
            for part in [getattr(model, name, None) for name in self.halved] or [model]:
                if part is not None:
                    part.half()
        self.dtype = torch.float16 if half else torch.float32

    def prepared(self, images: Tensor, sizes: Tensor | None = None) -> Tensor:
        """Images as the backbone takes them, (B, 3, H, W), padded to multiples of :data:`STRIDE`.

        Args:
            images: RGB, 0 to 255, float32, (B, H, W, 3).
            sizes: Height and width of each, int64, (B, 2), where they were padded to one size.
        """
        before = self.model.data_preprocessor
        x = images.permute(0, 3, 1, 2)
        height, width = x.shape[2:]
        if not before._channel_conversion:
            x = x.flip(1)  # the model wants BGR
        if before._enable_normalize:
            x = (x - before.mean.float()) / before.std.float()
        if sizes is not None:
            above = torch.arange(height)[:, None] < sizes[:, 0, None, None]
            inside = above & (torch.arange(width) < sizes[:, 1, None, None])
            x = torch.where(inside[:, None], x, float(before.pad_value))
        rows, cols = (height + STRIDE - 1) // STRIDE, (width + STRIDE - 1) // STRIDE
        x = F.pad(x, (0, cols * STRIDE - width, 0, rows * STRIDE - height), value=before.pad_value)
        return x.to(self.dtype)


class Features(Exportable):
    """The backbone of a detector or of a pre-training, by which images are compared."""

    def forward(self, image: Tensor) -> tuple[Tensor]:
        """See an image.

        Args:
            image: RGB, uint8, (H, W, 3).

        Returns:
            Its features (C,), the last map averaged.
        """
        last = self.model.backbone(self.prepared(_batch_of_one(image)))[-1]
        return (last[0].float().mean((1, 2)),)


class Detecting(Exportable):
    """What finds objects in images.

    Attributes:
        mask_stride: Pixels of the image for each place of a mask, or None where masks are of their boxes.
        mask_threshold: From which value on a mask is an object; None where there are no masks.
        exact: Whether a file finds the same to all digits, and not only nearly.
    """

    exact = True

    mask_stride: int | None = None
    mask_threshold: float | None = None

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Detect objects.

        Args:
            image: RGB, uint8, (H, W, 3).

        Returns:
            Boxes (N, 4) as x1, y1, x2, y2 in pixels, scores (N,), best first, labels (N,) and, of
            those that draw them, masks: by :attr:`mask_stride` of boxes, probabilities, (N, 28, 28), or of the
            image, logits, (N, H / stride, W / stride).
        """
        *found, _ = self.detect(_batch_of_one(image))
        return tuple(found)

    def detect(self, images: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Detect objects of several images.

        Args:
            images: RGB, 0 to 255, (B, H, W, 3).
            sizes: Height and width of each, int64, (B, 2), where they were padded to one size.

        Returns:
            As :meth:`forward`, those of the first image first, and how many each image has (B,).
        """
        x = self.prepared(images.float(), sizes)
        maps = self.model.extract_feat(x)
        if sizes is None:
            sides = [torch.full((images.shape[0],), side) for side in images.shape[1:3]]
            sizes = torch.stack(sides, 1)
        boxes, scores, labels, draw = self.found(maps, sizes, x.shape[2:])
        there = scores >= 0
        some = there.view(-1).nonzero()[:, 0]
        number = torch.arange(images.shape[0])[:, None].expand_as(scores)
        boxes, scores, labels, number = (
            x.reshape(-1, *x.shape[2:]).index_select(0, some)
            for x in (boxes, scores, labels, number)
        )
        masks = [] if draw is None else [draw(boxes, labels, number, some)]
        return boxes, scores, labels, *masks, there.sum(1)

    def found(
        self, maps: Sequence[Tensor], sizes: Tensor, sides: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor, Draw | None]:
        """The best of each image, and what draws masks of some of them.

        Args:
            maps: Of backbone and neck.
            sizes: Height and width of each image, (B, 2).
            sides: Height and width to which they were padded.

        Returns:
            Boxes (B, K, 4), scores (B, K), -1 where there is none, labels (B, K), and a function, of boxes, labels,
            numbers of their images, and places among all B * K, each (N, ...), that gives their masks.
        """
        raise NotImplementedError


class Batch(nn.Module):
    """A program that takes several images at once.

    Args:
        program: One that takes an image.
    """

    def __init__(self, program: Detecting) -> None:
        super().__init__()
        self.program = program

    def forward(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, ...]:
        """See :meth:`Detecting.detect`."""
        return self.program.detect(images, sizes)


class OneStage(Detecting):
    """A detector whose head gives boxes at once: RetinaNet, RTMDet, FCOS and their like."""

    def found(
        self, maps: Sequence[Tensor], sizes: Tensor, sides: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor, Draw | None]:
        head, cfg = self.model.bbox_head, self.model.bbox_head.test_cfg
        boxes, scores, labels, _ = dense_boxes(head, head(maps), cfg, sizes)
        scores, places = suppress(
            boxes, scores, labels, -0.5, cfg.nms.iou_threshold, cfg.max_per_img
        )
        return take(boxes, places), scores, take(labels, places), None


class OneStageWithMasks(Detecting):
    """RTMDet-Ins, whose masks are drawn by a small net that the head predicts for each object.

    They are of the whole image: (N, H / stride, W / stride), logits.
    """

    def __init__(self, model: nn.Module, half: bool = False) -> None:
        super().__init__(model, half)
        head = self.model.bbox_head
        self.mask_stride = int(head.prior_generator.strides[0][0])
        self.mask_threshold = float(torch.tensor(head.test_cfg.mask_thr_binary).logit())

    def found(
        self, maps: Sequence[Tensor], sizes: Tensor, sides: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor, Draw | None]:
        head, cfg = self.model.bbox_head, self.model.bbox_head.test_cfg
        *outs, nets, prototypes = head(maps)
        boxes, scores, labels, rows = dense_boxes(head, outs, cfg, sizes)
        scores, places = suppress(
            boxes, scores, labels, -0.5, cfg.nms.iou_threshold, cfg.max_per_img
        )
        grids = [(x.shape[2], x.shape[3]) for x in nets]
        priors = head.prior_generator.grid_priors(grids, device=boxes.device, with_stride=True)
        rows = take(rows, places)
        points = torch.cat(priors).index_select(0, rows.flatten())
        nets = torch.cat([_channels_last(x).flatten(1, 2) for x in nets], 1)
        nets = take(nets, rows).flatten(0, 1).float()

        def draw(boxes: Tensor, labels: Tensor, number: Tensor, some: Tensor) -> Tensor:
            seen = prototypes.float().index_select(0, number)
            return self._masks(points.index_select(0, some), nets.index_select(0, some), seen)

        return take(boxes, places), scores, take(labels, places), draw

    def _masks(self, points: Tensor, nets: Tensor, prototypes: Tensor) -> Tensor:
        """What nets of 1 x 1 convolutions draw of prototypes, and of the way from the object's point."""
        head = self.model.bbox_head
        height, width = prototypes.shape[2:]
        grid = head.prior_generator.single_level_grid_priors((height, width), 0, device=nets.device)
        away = (points[:, None, :2] - grid) / (8 * points[:, None, 2:])  # as mmdet has it
        x = torch.cat([away.transpose(1, 2), prototypes.flatten(2)], 1)
        parts = nets.split([*head.weight_nums, *head.bias_nums], 1)
        layers = len(head.weight_nums)
        for i, (weight, bias) in enumerate(zip(parts[:layers], parts[layers:], strict=True)):
            weight = weight.view(-1, head.bias_nums[i], head.weight_nums[i] // head.bias_nums[i])
            x = weight @ (x if i == 0 else x.relu()) + bias[..., None]
        return x.view(-1, height, width)


class TwoStage(Detecting):
    """Faster, Mask and Cascade R-CNN."""

    def __init__(self, model: nn.Module, half: bool = False) -> None:
        super().__init__(model, half)
        if self.model.with_mask:
            self.mask_threshold = float(self.model.roi_head.test_cfg.mask_thr_binary)

    def found(
        self, maps: Sequence[Tensor], sizes: Tensor, sides: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor, Draw | None]:
        proposals = self._proposals(maps, sizes)
        roi_head, cfg = self.model.roi_head, self.model.roi_head.test_cfg
        images, count = proposals.shape[:2]
        number = torch.arange(images)[:, None].expand(images, count).reshape(-1)
        borders = sizes.index_select(0, number)
        boxes = proposals.reshape(-1, 4)
        there = boxes[:, 2] > boxes[:, 0]
        heads, extractors = _stages(roi_head.bbox_head), _stages(roi_head.bbox_roi_extractor)
        each = []
        for head, extractor in zip(heads, extractors, strict=True):
            found = head(pool(extractor, maps, _rois(number, boxes)).to(self.dtype))
            scores, deltas = (x.float() for x in found)
            each.append(scores)
            if head is not heads[-1]:
                if not head.reg_class_agnostic:
                    label = scores[:, :-1].argmax(1)[:, None, None]
                    deltas = deltas.view(deltas.shape[0], -1, 4)
                    deltas = deltas.gather(1, label.expand(-1, 1, 4))[:, 0]
                boxes = clip(head.bbox_coder.decode(boxes, deltas), borders)
        scores = torch.stack(each).mean(0).softmax(-1)[:, :-1] * there[:, None]
        classes = scores.shape[1]
        kinds = 1 if heads[-1].reg_class_agnostic else classes
        priors = boxes[:, None].expand(-1, kinds, 4).reshape(-1, 4)
        boxes = heads[-1].bbox_coder.decode(priors, deltas.reshape(-1, 4)).view(-1, kinds, 4)
        boxes = clip(boxes, borders[:, None]).expand(-1, classes, 4)
        boxes, scores = boxes.reshape(images, -1, 4), scores.reshape(images, -1)
        labels = torch.arange(classes).repeat(count).expand_as(scores)
        scores, places = suppress(
            boxes, scores, labels, cfg.score_thr, cfg.nms.iou_threshold, cfg.max_per_img
        )
        draw = partial(self._masks, maps) if self.model.with_mask else None
        return take(boxes, places), scores, take(labels, places), draw

    def _proposals(self, maps: Sequence[Tensor], sizes: Tensor) -> Tensor:
        head, cfg = self.model.rpn_head, self.model.rpn_head.test_cfg
        boxes, scores, levels, _ = dense_boxes(head, head(maps), cfg, sizes, by_level=True)
        scores, places = suppress(
            boxes, scores, levels, -0.5, cfg.nms.iou_threshold, cfg.max_per_img
        )
        # What there is none of is a box of no size, which finds nothing.
        return take(boxes, places) * (scores >= 0)[..., None]

    def _masks(
        self, maps: Sequence[Tensor], boxes: Tensor, labels: Tensor, number: Tensor, some: Tensor
    ) -> Tensor:
        roi_head = self.model.roi_head
        heads, extractors = _stages(roi_head.mask_head), _stages(roi_head.mask_roi_extractor)
        each = []
        for head, extractor in zip(heads, extractors, strict=True):
            pooled = pool(extractor, maps, _rois(number, boxes))
            masks = head(pooled.to(self.dtype)).float().sigmoid()
            if not head.class_agnostic:
                own = labels[:, None, None, None].expand(-1, 1, *masks.shape[2:])
                masks = masks.gather(1, own)
            each.append(masks[:, 0])
        return torch.stack(each).mean(0)


def _rois(number: Tensor, boxes: Tensor) -> Tensor:
    """Boxes (N, 4) with the number of their image before them, (N, 5)."""
    return torch.cat([number[:, None].to(boxes.dtype), boxes], 1)


def _batch_of_one(image: Tensor) -> Tensor:
    """An image (H, W, 3) as (1, H, W, 3), float32: the first thing, for TensorRT does no other with integers of 8 bits."""
    return image.float()[None]


def _stages(part: nn.Module) -> list[Any]:
    """A cascade's heads or extractors, or the one that there is."""
    return list(part) if isinstance(part, nn.ModuleList) else [part]


def dense_boxes(
    head: Any, outs: Sequence[Any], cfg: Any, sizes: Tensor, by_level: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Boxes of a dense head before suppression: of each level the best by their scores.

    Args:
        head: A head of mmdet, with priors and a box coder.
        outs: What it says of maps: scores, boxes and, of some, factors of the scores, by levels.
        cfg: Its test settings.
        sizes: Height and width of each image, (B, 2).
        by_level: Whether groups are the levels, as in a region proposal network, or the categories.

    Returns:
        Boxes (B, N, 4), scores (B, N), -1 where there is no box, groups (B, N), and the numbers of the
        priors that they are of, those of all levels in a row (B, N).
    """
    grids = [(x.shape[2], x.shape[3]) for x in outs[0]]
    priors = head.prior_generator.grid_priors(grids, device=outs[0][0].device)
    images = outs[0][0].shape[0]
    found = []
    for level, (scores, deltas) in enumerate(zip(outs[0], outs[1], strict=True)):
        scores = _channels_last(scores).reshape(images, -1, head.cls_out_channels).float()
        deltas = _channels_last(deltas).reshape(images, -1, 4).float()
        scores = scores.sigmoid() if head.use_sigmoid_cls else scores.softmax(-1)[..., :-1]
        classes = scores.shape[2]
        flat = scores.flatten(1)
        if not by_level:
            flat = torch.where(flat > cfg.get('score_thr', 0), flat, -1.0)
        flat, places = best(flat, cfg.nms_pre)
        rows, labels = places // classes, places % classes
        if len(outs) > 2:  # centerness and its like
            factors = _channels_last(outs[2][level]).flatten(1).float().sigmoid()
            flat = torch.where(flat < 0, flat, flat * take(factors, rows))
        boxes = head.bbox_coder.decode(
            priors[level].index_select(0, rows.flatten()), take(deltas, rows).reshape(-1, 4)
        ).view(images, -1, 4)
        groups = torch.full_like(labels, level) if by_level else labels
        found.append((boxes, flat, groups, rows + sum(p.shape[0] for p in priors[:level])))
    boxes, scores, groups, numbers = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    boxes = clip(boxes, sizes[:, None])
    smallest = cfg.get('min_bbox_size', -1)
    if smallest >= 0:
        large = ((boxes[..., 2:] - boxes[..., :2]) > smallest).all(-1)
        scores = torch.where(large, scores, -1.0)
    return boxes, scores, groups, numbers


def _channels_last(map_: Tensor) -> Tensor:
    """A map (B, C, H, W) with channels last."""
    return map_.permute(0, 2, 3, 1)
