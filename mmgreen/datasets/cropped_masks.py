"""Masks of objects, each of which is kept inside its own box."""

import itertools
from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np
import torch
from mmdet.structures.bbox import BaseBoxes, HorizontalBoxes, get_box_type
from mmdet.structures.mask import BitmapMasks
from numpy.typing import ArrayLike

from mmgreen.arrays import Ints
from mmgreen.compat.operators.roi_align import along

from .segmentations import decode_runs


class CroppedMasks(BitmapMasks):
    """What :class:`~mmdet.structures.mask.BitmapMasks` are, without the pixels around each object.

    Bitmaps of a whole image are copied whole at each step of a pipeline, between processes, and for each proposal that is
    trained on. All that training asks for is done here inside the boxes, and to the same pixels. Where other code asks
    for :attr:`masks`, to read or to write, they become mmdet's own bitmaps, and stay so.

    Args:
        parts: What is inside the box of each, uint8 (h, w).
        corners: Row and column at which each begins, (N, 2).
        height: Of the image.
        width: Of the image.
    """

    def __init__(
        self, parts: Sequence[np.ndarray], corners: np.ndarray, height: int, width: int
    ) -> None:
        self.parts, self.corners = list(parts), np.asarray(corners, np.int64).reshape(-1, 2)
        self.height, self.width = int(height), int(width)

    @classmethod
    def of_runs(cls, counts: Sequence[str | list[int]], height: int, width: int) -> 'CroppedMasks':
        """Draw run lengths, inside their boxes only.

        Args:
            counts: Of each mask, as COCO has them: down the columns, by turns of what is not the object's and of what is;
                compressed, or numbers.
            height: Of the image.
            width: Of the image.

        Raises:
            ValueError: If one does not add up to the image.
        """
        texts = [each for each in counts if isinstance(each, str)]
        numbers, begin, whole = decode_runs(texts)
        if len(whole) < len(texts):
            raise ValueError('a mask has run lengths that cannot be read')
        decoded = (numbers[start:end] for start, end in itertools.pairwise(begin))
        drawn = [
            _drawn(next(decoded) if isinstance(each, str) else np.array(each), height, width)
            for each in counts
        ]
        parts, corners = [part for part, _ in drawn], [corner for _, corner in drawn]
        return cls(parts, np.array(corners), height, width)

    @property
    def masks(self) -> np.ndarray:
        """Bitmaps of the whole image, uint8 (N, height, width)."""
        found = np.zeros((len(self), self.height, self.width), np.uint8)
        for bitmap, part, (top, left) in zip(found, self.parts, self.corners, strict=True):
            bitmap[top : top + part.shape[0], left : left + part.shape[1]] = part
        self.masks = found
        return found

    @masks.setter
    def masks(self, bitmaps: np.ndarray) -> None:
        # What is written into them would be lost here.
        self.__class__ = BitmapMasks
        self.masks = bitmaps

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: Any) -> 'CroppedMasks':
        chosen = np.arange(len(self))[index].reshape(-1)
        parts = [self.parts[i] for i in chosen]
        return CroppedMasks(parts, self.corners[chosen], self.height, self.width)

    def rescale(self, scale: Any, interpolation: str = 'nearest') -> BitmapMasks:
        width, height = mmcv.rescale_size((self.width, self.height), scale)
        return self.resize((height, width), interpolation)

    def resize(self, out_shape: tuple[int, int], interpolation: str = 'nearest') -> BitmapMasks:
        if interpolation != 'nearest':
            return super().resize(out_shape, interpolation)
        return self._taken(
            *(
                # Which pixel OpenCV takes is what it makes of their numbers.
                mmcv.imresize(
                    np.arange(old, dtype=np.float32)[None],
                    (new, 1),
                    interpolation='nearest',
                    backend='cv2',
                )[0].astype(int)
                for old, new in zip((self.height, self.width), out_shape, strict=True)
            )
        )

    def flip(self, flip_direction: str = 'horizontal') -> 'CroppedMasks':
        assert flip_direction in ('horizontal', 'vertical', 'diagonal')
        rows, columns = np.arange(self.height), np.arange(self.width)
        return self._taken(
            rows if flip_direction == 'horizontal' else rows[::-1],
            columns if flip_direction == 'vertical' else columns[::-1],
        )

    def crop(self, bbox: np.ndarray) -> 'CroppedMasks':
        left, top, right, bottom = np.clip(bbox, 0, [self.width, self.height] * 2)
        return self._taken(
            np.arange(top, max(bottom, top + 1)), np.arange(left, max(right, left + 1))
        )

    def _taken(self, rows: np.ndarray, columns: np.ndarray) -> 'CroppedMasks':
        """Masks whose pixel (i, j) is the one at ``rows[i]``, ``columns[j]``; both rise, or fall."""
        parts, corners = [], []
        for part, corner in zip(self.parts, self.corners, strict=True):
            inside = [
                (places >= begin) & (places < begin + side)
                for places, begin, side in zip((rows, columns), corner, part.shape, strict=True)
            ]
            (top, bottom), (left, right) = map(_extent, inside)
            corners.append((top, left))
            parts.append(part[rows[top:bottom] - corner[0]][:, columns[left:right] - corner[1]])
        return CroppedMasks(parts, np.array(corners), len(rows), len(columns))

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> BitmapMasks:
        if pad_val or out_shape[0] < self.height or out_shape[1] < self.width:
            return super().pad(out_shape, pad_val)
        return CroppedMasks(self.parts, self.corners, *out_shape)

    def crop_and_resize(
        self,
        bboxes: np.ndarray,
        out_shape: tuple[int, int],
        inds: np.ndarray,
        device: Any = 'cpu',
        interpolation: str = 'bilinear',
        binarize: bool = True,
    ) -> BitmapMasks:
        """As mmdet's, by RoIAlign; on the CPU, where mmdet takes the result in any case, and a box is small."""
        boxes = torch.as_tensor(bboxes, device='cpu', dtype=torch.float32)
        begins, ends = boxes[:, [1, 0]] - 0.5, boxes[:, [3, 2]] - 0.5
        sides = (ends - begins) / boxes.new_tensor(out_shape)
        tables = [
            along(begins[:, axis], sides[:, axis], sides[:, axis].ceil(), count, size)
            for axis, (count, size) in enumerate(
                zip(out_shape, (self.height, self.width), strict=True)
            )
        ]
        found = np.empty((len(boxes), *out_shape), np.float32)
        for k, index in enumerate(np.asarray(inds)):
            part = self.parts[index]
            down, across = (
                _dense(places[k].numpy(), weights[k].numpy(), begin, side)
                for (places, weights), begin, side in zip(
                    tables, self.corners[index], part.shape, strict=True
                )
            )
            found[k] = down @ part.astype(np.float32) @ across.T
        return BitmapMasks(found >= 0.5 if binarize else found, *out_shape)

    @property
    def areas(self) -> np.ndarray:
        return np.array([part.sum() for part in self.parts], np.uint64)

    def get_bboxes(self, dst_type: Any = 'hbb') -> BaseBoxes:
        _, kind = get_box_type(dst_type)
        if kind is not HorizontalBoxes:
            return super().get_bboxes(dst_type)
        boxes = np.zeros((len(self), 4), np.float32)
        for box, part, (top, left) in zip(boxes, self.parts, self.corners, strict=True):
            if part.any():
                (y1, y2), (x1, x2) = _extent(part.any(1)), _extent(part.any(0))
                box[:] = left + x1, top + y1, left + x2, top + y2
        return HorizontalBoxes(boxes)

    @classmethod
    def cat(cls, masks: Sequence[BitmapMasks]) -> BitmapMasks:
        if not all(isinstance(each, CroppedMasks) for each in masks):
            return BitmapMasks.cat(masks)
        parts = [part for each in masks for part in each.parts]
        corners = np.concatenate([each.corners for each in masks])
        return cls(parts, corners, masks[0].height, masks[0].width)


def _drawn(runs: Ints, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]]:
    """What is inside the box of a mask, uint8 (h, w), and the row and column at which it begins."""
    ends = runs.cumsum()
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f'a mask has run lengths that do not add up to {width} x {height} pixels')
    inside = np.flatnonzero((np.arange(len(runs)) % 2 == 1) & (runs > 0))
    if not len(inside):
        return np.zeros((0, 0), np.uint8), (0, 0)
    left = int(ends[inside[0] - 1]) // height
    right = -(-int(ends[inside[-1]]) // height)
    # From the column of the first pixel to that of the last.
    lengths = np.diff(ends[: inside[-1] + 1].clip(left * height), prepend=left * height)
    columns = np.zeros((right - left) * height, np.uint8)
    values = np.repeat(np.arange(len(lengths), dtype=np.uint8) % 2, lengths)
    columns[: len(values)] = values
    part = columns.reshape(right - left, height).T
    top, bottom = _extent(part.any(1))
    return part[top:bottom], (top, left)


def _extent(inside: ArrayLike) -> tuple[int, int]:
    """Where a run of what is true begins, and where it has ended; (0, 0) if there is none."""
    places = np.flatnonzero(inside)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)


def _dense(places: np.ndarray, weights: np.ndarray, begin: int, side: int) -> np.ndarray:
    """Weights of pixels, (bins, n) each, as a matrix (bins, side) of those from ``begin`` on."""
    rows, number = np.arange(len(places))[:, None], len(places) * side
    inside = (places >= begin) & (places < begin + side)
    found = np.bincount((rows * side + places - begin)[inside], weights[inside], number)
    return found.reshape(len(places), side).astype(np.float32)
