"""Large images, detected tile by tile: memory follows the tile, not the image."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from .errors import UserError

if TYPE_CHECKING:
    from mmdet.structures import DetDataSample

#: IoU, within what two tiles share, from which detections of both are of one object.
_SAME = 0.5
#: Tiles smaller than this are smaller than what one token of the last stage sees.
_LEAST = 64

#: Pixels of an image from which Pillow refuses it, and from which it takes gigabytes.
MOST_PIXELS = 178_956_970


@dataclass(frozen=True)
class Tiling:
    """How images are cut.

    Attributes:
        side: Side of a tile in pixels.
        overlap: Share of the side that neighbours have in common.

    Raises:
        UserError: If a tile is too small, or the overlap no share.
    """

    side: int
    overlap: float = 0.2

    def __post_init__(self) -> None:
        if self.side < _LEAST:
            raise UserError(f'tiles of {self.side} pixels are too small: use {_LEAST} or more')
        if not 0 <= self.overlap < 0.9:
            raise UserError(f'an overlap of {self.overlap} is not between 0 and 0.9 of a tile')

    def boxes(self, height: int, width: int) -> list[tuple[int, int, int, int]]:
        """Left, top, right and bottom of each tile; they cover the image and stay within it."""
        return [
            (left, top, min(left + self.side, width), min(top + self.side, height))
            for top in self._starts(height)
            for left in self._starts(width)
        ]

    def _starts(self, length: int) -> list[int]:
        """Where tiles begin along a side: evenly spaced, with at least the overlap."""
        if length <= self.side:
            return [0]
        step = self.side * (1 - self.overlap)
        number = int(np.ceil((length - self.side) / step)) + 1
        return np.linspace(0, length - self.side, number).round().astype(int).tolist()


def whole_mask(mask: np.ndarray, left: int, top: int, size: tuple[int, int]) -> dict:
    """The run lengths of a tile's mask in its image, whose pixels are not laid out for it.

    Args:
        mask: Bool, (tile's height, tile's width).
        left: Column of the tile's first pixel.
        top: Its row.
        size: Height and width of the image.

    Returns:
        COCO's compressed run lengths.
    """
    from pycocotools import mask as coco_mask

    height, width = size
    padded = np.zeros((mask.shape[0] + 2, mask.shape[1]), np.int8)
    padded[1:-1] = mask
    # Runs begin and end here, column by column, in turn.
    column, row = np.nonzero(np.diff(padded, axis=0).T)
    ends, times = np.unique((column + left) * height + row + top, return_counts=True)
    # Where a run ends and the next begins, in a column that is full, there is no border: runs of
    # length 0 let COCO's union go on for ever.
    ends = ends[times % 2 == 1]
    counts = np.diff(np.concatenate([[0], ends, [height * width]]))
    return coco_mask.frPyObjects(dict(counts=counts.tolist(), size=[height, width]), height, width)


@torch.no_grad()
def detect_in_tiles(
    model: Any,
    prepare: Callable[[dict], dict],
    image: np.ndarray,
    tiling: Tiling,
    batch_size: int = 1,
) -> 'DetDataSample':
    """Detect in each tile as in an image of its own, and join what is of one object.

    An object that several tiles show is found in each of them, in some in part. Two detections of one
    category are of one object where they agree (IoU 0.5 of their boxes) within what their
    tiles share; boxes and masks are united, and the highest score is kept.

    Args:
        model: mmdet's detector, on its device.
        prepare: The pipeline behind the loading of an image.
        image: (height, width, channels), in the order of channels that the pipeline wants.
        tiling: How it is cut.
        batch_size: Tiles that go through the model together.

    Returns:
        A sample with ``pred_instances`` of ``bboxes``, ``scores``, ``labels`` and, of a model
        that gives masks, ``masks``, a list of COCO's run lengths of the whole image.
    """
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    size = image.shape[:2]
    boxes = tiling.boxes(*size)
    found = _Found()
    for first in range(0, len(boxes), batch_size):
        some = boxes[first : first + batch_size]
        data = [prepare(as_loaded(image, box)) for box in some]
        batch = {key: [each[key] for each in data] for key in data[0]}
        for box, sample in zip(some, model.test_step(batch), strict=True):
            found.add(sample.pred_instances.cpu().numpy(), box, size)
    merged = found.merged(boxes)
    result = InstanceData(
        bboxes=torch.from_numpy(merged.boxes.astype(np.float32)),
        scores=torch.from_numpy(merged.scores),
        labels=torch.from_numpy(merged.labels),
    )
    sample = DetDataSample(metainfo=dict(ori_shape=size))
    sample.pred_instances = result
    if merged.masks is not None:
        sample.pred_instances.masks = merged.masks
    return sample


def as_loaded(image: np.ndarray, box: tuple[int, int, int, int]) -> dict[str, Any]:
    """What a pipeline has of a part of an image after loading it.

    Args:
        image: (height, width, channels).
        box: Left, top, right and bottom of the part.
    """
    left, top, right, bottom = box
    tile = np.ascontiguousarray(image[top:bottom, left:right])
    shape = tile.shape[:2]
    return dict(
        img=tile,
        img_shape=shape,
        ori_shape=shape,
        height=shape[0],
        width=shape[1],
        img_path='',
        img_id=0,
        instances=[],
    )


class _Found:
    """Detections of all tiles in the coordinates of the image."""

    def __init__(self) -> None:
        self.boxes = np.zeros((0, 4))
        self.scores = np.zeros(0, np.float32)
        self.labels = np.zeros(0, np.int64)
        self.tile = np.zeros(0, np.int64)
        self.masks: list[dict] | None = None
        self._tiles = 0

    def add(self, instances: Any, box: tuple[int, int, int, int], size: tuple[int, int]) -> None:
        left, top = box[:2]
        shift = np.array([left, top, left, top])
        self.boxes = np.concatenate([self.boxes, instances.bboxes.reshape(-1, 4) + shift])
        self.scores = np.concatenate([self.scores, instances.scores])
        self.labels = np.concatenate([self.labels, instances.labels])
        number = len(instances.scores)
        self.tile = np.concatenate([self.tile, np.full(number, self._tiles)])
        self._tiles += 1
        if 'masks' in instances:
            whole = [whole_mask(mask, left, top, size) for mask in instances.masks]
            self.masks = (self.masks or []) + whole

    def merged(self, tiles: list[tuple[int, int, int, int]]) -> '_Found':
        """One detection for each object."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        number = len(self.scores)
        if not number:
            return self
        pairs = [pair for a, b in _neighbours(tiles) for pair in self._same(tiles, a, b)]
        i, j = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        links = coo_array((np.ones(len(i)), (i, j)), shape=(number, number))
        _, group = connected_components(links, directed=False)
        members = np.split(np.argsort(group, kind='stable'), np.bincount(group).cumsum()[:-1])
        result = _Found()
        result.boxes = np.array(
            [[*self.boxes[m, :2].min(0), *self.boxes[m, 2:].max(0)] for m in members]
        )
        result.scores = np.array([self.scores[m].max() for m in members])
        result.labels = np.array([self.labels[m[0]] for m in members])
        if self.masks is not None:
            result.masks = [_united([self.masks[i] for i in m]) for m in members]
        return result

    def _same(
        self, tiles: list[tuple[int, int, int, int]], a: int, b: int
    ) -> Iterator[tuple[int, int]]:
        """Pairs of detections of two tiles that are of one object, each in one pair at most."""
        shared = np.array(
            [*np.maximum(tiles[a], tiles[b])[:2], *np.minimum(tiles[a], tiles[b])[2:]]
        )
        (of_a,), (of_b,) = np.nonzero(self.tile == a), np.nonzero(self.tile == b)
        iou = _iou(_clip(self.boxes[of_a], shared), _clip(self.boxes[of_b], shared))
        iou[self.labels[of_a][:, None] != self.labels[of_b]] = 0
        while iou.size and iou.max() >= _SAME:
            i, j = np.unravel_index(iou.argmax(), iou.shape)
            yield int(of_a[i]), int(of_b[j])
            iou[i], iou[:, j] = 0, 0


def _united(masks: list[dict]) -> dict:
    from pycocotools import mask as coco_mask

    return coco_mask.merge(masks) if len(masks) > 1 else masks[0]


def _neighbours(tiles: list[tuple[int, int, int, int]]) -> Iterator[tuple[int, int]]:
    """Pairs of tiles that have pixels in common."""
    boxes = np.array(tiles)
    for a in range(len(tiles)):
        low = np.maximum(boxes[a, :2], boxes[a + 1 :, :2])
        high = np.minimum(boxes[a, 2:], boxes[a + 1 :, 2:])
        for b in np.flatnonzero((low < high).all(1)):
            yield a, a + 1 + int(b)


def _clip(boxes: np.ndarray, area: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes[:, :2], area[:2])
    return np.concatenate([low, np.maximum(low, np.minimum(boxes[:, 2:], area[2:]))], axis=1)


def _iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU of boxes, (N, M); 0 of what is empty."""
    low = np.maximum(first[:, None, :2], second[:, :2])
    high = np.minimum(first[:, None, 2:], second[:, 2:])
    both = np.maximum(high - low, 0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (first, second)]
    return both / np.maximum(areas[0][:, None] + areas[1] - both, 1e-9)
