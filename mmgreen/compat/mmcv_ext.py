"""A stand-in for the compiled module ``mmcv._ext``.

mmdet imports ``mmcv.ops``, which imports ``mmcv._ext``; a plain ``pip install``
of mmcv does not build it. Mask R-CNN needs three of its operators, and
torchvision has all three, for CPU and CUDA. The finder below stands last on
``sys.meta_path``, so a compiled module, where there is one, is found first.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

NAME = 'mmcv._ext'


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices of the boxes that non-maximum suppression keeps, best first.

    Args:
        boxes: (N, 4), x1, y1, x2, y2 in pixels.
        scores: (N,).
        iou_threshold: Overlap from which the lower score is dropped.
        offset: 1 where a box covers its last pixel (width x2 - x1 + 1), else 0.
    """
    import torchvision

    boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return torchvision.ops.nms(boxes, scores, iou_threshold)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``output`` (R, C, aligned_height, aligned_width) with pooled regions.

    Args are those of mmcv; ``rois`` is (R, 5), batch index first, and the
    argmax tensors belong to max pooling, which torchvision does not have.
    """
    import torchvision

    _need_average(pool_mode)
    output.copy_(
        torchvision.ops.roi_align(
            input,
            rois.to(input.dtype),
            (aligned_height, aligned_width),
            spatial_scale,
            sampling_ratio,
            aligned,
        )
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fill ``grad_input`` (B, C, H, W) with the gradient of :func:`roi_align_forward`."""
    import torch
    import torchvision  # noqa: F401  (registers the operator called below)

    _need_average(pool_mode)
    grad_input.copy_(
        torch.ops.torchvision._roi_align_backward(
            grad_output,
            rois.to(grad_output.dtype),
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
    )


def _need_average(pool_mode: int) -> None:
    if pool_mode != 1:
        raise NotImplementedError(
            "RoIAlign with pool_mode='max' needs mmcv's compiled operators: "
            "set pool_mode='avg', or build mmcv from source"
        )


def _missing(name: str) -> Callable:
    def operator(*args, **kwargs):
        raise NotImplementedError(
            f"the operator '{name}' needs mmcv's compiled operators, which this installation "
            'of mmcv does not have: build mmcv from source'
        )

    return operator


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads the stand-in."""

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == NAME else None

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = __doc__
        for operator in (nms, roi_align_forward, roi_align_backward):
            setattr(module, operator.__name__, operator)

        def missing(name: str) -> Callable:
            if name.startswith('__'):
                raise AttributeError(name)
            return _missing(name)

        vars(module)['__getattr__'] = missing


def install() -> None:
    """Offer the stand-in to imports of ``mmcv._ext`` that find no compiled module."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
