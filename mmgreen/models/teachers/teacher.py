"""Frozen nets whose features are targets."""

import logging
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor

from mmgreen.errors import UserError

from . import openmmlab, timm_net
from .frozen_net import FrozenNet
from .hugging_face import HUB, hugging_face_net
from .kept_features import KeptFeatures
from .onnx_net import onnx_net, quick

_NORMS = ('place', 'channel')
# Calls after which the log says what a teacher costs: the first ones build and warm up.
_SAID_AFTER = 10


class Teacher:
    """A net that says features of images, and is not trained.

    It is no module: nothing of it is saved, optimised or wrapped with what it teaches. On a GPU it
    computes in half precision, on a CPU through onnxruntime where that is installed.

    Args:
        model: What net it is:

            - a name of timm, such as ``'tf_efficientnet_lite0'`` or ``'vit_small_patch14_dinov2'``,
            - a name of mmpretrain, such as ``'resnet50_8xb32_in1k'``,
            - a folder of Hugging Face's layout, such as one of DINOv2 or DINOv3, or one of its Hub,
              ``hf://OWNER/NAME``,
            - an ONNX file, ``*.onnx``,
            - a checkpoint of this project, ``*.pth``, or the config of any model of OpenMMLab, ``*.py``,
              whose backbone it is.
        checkpoint: File of its weights; by default those that come with it, which timm and mmpretrain
            download. ``''`` draws them.
        depths: Which of its maps, from fine to coarse: timm's ``out_indices``, numbers of a
            transformer's blocks, OpenMMLab's ``out_indices``, outputs of an ONNX file. By default the last
            one whose places are no larger than mask units; of ONNX files the last; of OpenMMLab's
            backbones those that they have.
        norm: Each value less the mean and divided by the deviation of the channels at its
            ``'place'``, or of its ``'channel'`` over the batch.
        enlarge: How many times images are enlarged for it; by default as little as makes each mask unit
            a whole number of places of its coarsest map: twice, for units of 16 pixels and a stride of
            32, and 0.875 times, for units of 32 pixels and patches of 14.
        keep: ``dict(folder=..., side=384)``: features of whole images, resized to a square of ``side``
            pixels, are computed once, kept in a folder, and cropped as the images are. A run of many
            epochs is faster then. ``LoadRandomCrop`` must make the crops.
        unit: Side of a mask unit in pixels; the head says it.

    Attributes:
        channels: Of each map.
        strides: Pixels of its input for each place of each map.

    Raises:
        UserError: If the net is not known, or its weights cannot be had.
    """

    def __init__(
        self,
        model: str,
        checkpoint: str | None = None,
        depths: Sequence[int] | None = None,
        norm: str = 'place',
        enlarge: float | None = None,
        keep: dict[str, Any] | None = None,
        unit: int = 32,
    ) -> None:
        if norm not in _NORMS:
            raise UserError(f"teacher.norm '{norm}' is unknown: choose from {', '.join(_NORMS)}")
        self.norm, self.enlarge, self.unit = norm, enlarge, unit
        self.net = find_net(model, checkpoint, None if depths is None else tuple(depths), unit)
        self.channels, self.strides = self.net.shapes()
        self._maps, self._device = self.net.maps, torch.device('cpu')
        if self.net.module is not None:
            self._maps = quick(self.net.module, self.net.maps)
        self._calls: list[Callable[[], float]] = []
        self.kept = None
        if keep is not None:
            self.kept = self._keep(dict(net=self.net.name, depths=depths and [*depths]), **keep)
        self.sees((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
        print_log(
            f'Teacher {self.net.name}: {self._size()}channels {self.channels}, licence '
            f'{self.net.licence or "unknown: ask where it is from"}',
            logger='current',
            level=logging.INFO,
        )

    def __deepcopy__(self, memo: dict) -> 'Teacher':
        return self  # it does not change: an average of a model's weights needs no second one

    def _keep(self, about: dict[str, Any], folder: str, side: int = 384) -> KeptFeatures:
        places = max(1, round(side / self.strides[-1]))
        side = places * self.strides[-1]
        if self.net.size not in (None, (side, side)):
            raise UserError(
                f'teacher.keep.side {side} does not suit this teacher, which takes '
                f'{self.net.size[0]}x{self.net.size[1]}'
            )
        about |= dict(weights=self.net.digest(), mean=[*self.net.mean], std=[*self.net.std])
        return KeptFeatures(folder, about, side, (sum(self.channels), places, places))

    def prepare(self, paths: Sequence[str], device: torch.device) -> None:
        """Compute the features that are kept, of all images of a run, before it.

        Args:
            paths: Of the images.
            device: What computes them.
        """
        if self.kept is None:
            return
        self._move(device)

        @torch.no_grad()
        def compute(pixels: Tensor) -> Tensor:
            mean, std = (
                torch.tensor(v, dtype=torch.float32, device=device).view(1, 3, 1, 1)
                for v in (self.net.mean, self.net.std)
            )
            return torch.cat(
                self._maps_at((pixels.to(device) / 255 - mean) / std, self.kept.shape[1:]), 1
            )

        self.kept.prepare(paths, compute)

    def _maps_at(self, images: Tensor, grid: tuple[int, int]) -> list[Tensor]:
        """Maps of normalised images, brought to a grid."""
        half = _half(images.device)
        with torch.autocast(images.device.type, half, enabled=half is not None):
            maps = self._maps(images)
        return [_to_grid(m.float(), grid) for m in maps]

    def _size(self) -> str:
        if self.net.module is None:
            return ''
        parameters = list(self.net.module.parameters())
        size = sum(p.numel() * p.element_size() for p in parameters) / 2**20
        return (
            f'{sum(p.numel() for p in parameters) / 1e6:.1f} million parameters, {size:.0f} MiB, '
        )

    def sees(
        self, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor, rgb: bool = True
    ) -> None:
        """Say how images are preprocessed, so that it can undo it.

        Args:
            mean: What was subtracted of each channel, of pixels between 0 and 255; ImageNet's by
                default.
            std: What they were divided by.
            rgb: Whether red comes first, and not blue.
        """
        ours_mean, ours_std, mean_of_net, std_of_net = (
            torch.as_tensor(v, dtype=torch.float32).view(1, -1, 1, 1)
            for v in (mean, std, self.net.mean, self.net.std)
        )
        if not rgb:
            ours_mean, ours_std = ours_mean.flip(1), ours_std.flip(1)
        self._flip = not rgb
        self._factor = ours_std / (255 * std_of_net)
        self._shift = (ours_mean / 255 - mean_of_net) / std_of_net

    @torch.compiler.disable
    @torch.no_grad()
    def features(self, images: Tensor, samples: Sequence[Any] | None = None) -> Tensor:
        """Features of mask units.

        Images are enlarged or reduced for the net; maps of more places than units are averaged, those
        of fewer are interpolated.

        Args:
            images: (B, 3, H, W), preprocessed as :meth:`sees` was told.
            samples: Their data samples, whose ``img_path`` and ``crop`` say which part of which image
                they are; needed where features are kept.

        Returns:
            (B, sum of channels, H / unit, W / unit), float32.

        Raises:
            UserError: If images have other than three channels, or features are kept, and the samples
                do not say what is cropped.
        """
        if self.kept is not None:
            return self._cropped(images, samples)
        if images.shape[1] != 3:
            raise UserError(
                f'a teacher sees red, green and blue, and the images have {images.shape[1]} channels: '
                'choose another target (model.head)'
            )
        telling = len(self._calls) < _SAID_AFTER
        stop = _stopwatch(images.device) if telling else None
        self._move(images.device)
        x = images.float().flip(1) if self._flip else images.float()
        x = x * self._factor + self._shift
        grid = self._grid(images)
        size = self._input_size(images)
        if size != tuple(x.shape[2:]):
            x = F.interpolate(x, size, mode='bicubic', antialias=True)
        found = self._normalised(self._maps_at(x, grid))
        if stop is not None:
            self._tell_cost(stop(), f'{len(images)} images of {size[0]}x{size[1]}')
        return found

    def _cropped(self, images: Tensor, samples: Sequence[Any] | None) -> Tensor:
        assert self.kept is not None
        if samples is None or any(not hasattr(sample, 'crop') for sample in samples):
            raise UserError(
                'features of a teacher are kept (model.head.teacher.keep), and nothing says what part of '
                'an image a crop is: let mmgreen.LoadRandomCrop make crops, with '
                "PackInputs(meta_keys=('img_path', 'crop')), or leave keep out"
            )
        boxes = torch.tensor([sample.crop for sample in samples]).to(images.device)
        paths = [sample.img_path for sample in samples]
        maps = self.kept.crops(paths, boxes, self._grid(images))
        return self._normalised(list(maps.split(self.channels, 1)))

    def _normalised(self, maps: list[Tensor]) -> Tensor:
        return torch.cat([_normalised(m, self.norm) for m in maps], dim=1)

    def _grid(self, images: Tensor) -> tuple[int, int]:
        """Mask units per column and row."""
        return images.shape[2] // self.unit, images.shape[3] // self.unit

    def _input_size(self, images: Tensor) -> tuple[int, int]:
        """Height and width that images have for the net."""
        if self.net.size:
            return self.net.size
        stride = self.strides[-1]
        if self.enlarge is None:
            within = stride * max(1, round(self.unit / stride))
            height, width = self._grid(images)
            return height * within, width * within
        height, width = (
            max(1, round(side * self.enlarge / stride)) * stride for side in images.shape[2:]
        )
        return height, width

    def _move(self, device: torch.device) -> None:
        if device == self._device:
            return
        self._factor, self._shift = self._factor.to(device), self._shift.to(device)
        if self.net.module is not None:
            self.net.module.to(device)
            on_cpu = device.type == 'cpu'
            self._maps = quick(self.net.module, self.net.maps) if on_cpu else self.net.maps
        self._device = device

    def _tell_cost(self, stop: Callable[[], float], what: str) -> None:
        """Say once what it costs, from calls after the first."""
        self._calls.append(stop)
        if len(self._calls) == _SAID_AFTER:
            each = statistics.median(stop() for stop in self._calls[1 : _SAID_AFTER // 2])
            print_log(
                f'Teacher: {1000 * each:.0f} ms a step, for {what}',
                logger='current',
                level=logging.INFO,
            )


def _stopwatch(device: torch.device) -> Callable[[], Callable[[], float]]:
    """Start to measure: what is called at the end gives what tells the seconds, later."""
    if device.type == 'cuda':
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()

        def stop_on_gpu() -> Callable[[], float]:
            end.record()
            return seconds_on_gpu

        def seconds_on_gpu() -> float:
            end.synchronize()  # some steps later, when there is nothing to wait for
            return begin.elapsed_time(end) / 1000

        return stop_on_gpu
    started = time.perf_counter()

    def stop() -> Callable[[], float]:
        seconds = time.perf_counter() - started
        return lambda: seconds

    return stop


def find_net(
    model: str, checkpoint: str | None, depths: tuple[int, ...] | None, unit: int
) -> FrozenNet:
    """The net that a name stands for, see :class:`Teacher`.

    Raises:
        UserError: If it is none, or its weights cannot be had.
    """
    kind = kind_of(model)
    if kind == 'onnx':
        return onnx_net(model, depths)
    if kind == 'hugging face':
        return hugging_face_net(model, depths, unit)
    if kind == 'timm':
        return timm_net.timm_net(model, checkpoint, depths, unit)
    return openmmlab.openmmlab_net(model, checkpoint, depths)


def kind_of(model: str) -> str:
    """``'onnx'``, ``'hugging face'``, ``'openmmlab'`` or ``'timm'``; nothing is loaded.

    Raises:
        UserError: If it is none of them.
    """
    if model.endswith('.onnx'):
        return 'onnx'
    if model.startswith(HUB) or os.path.isfile(os.path.join(model, 'config.json')):
        return 'hugging face'
    if os.path.isdir(model):
        raise UserError(
            f'teacher {model} is a folder without config.json: name one of Hugging Face'
        )
    if model.endswith(('.py', '.pth')) or '::' in model:
        return 'openmmlab'
    for kind, room in (('timm', timm_net), ('openmmlab', openmmlab)):
        if room.knows(model):
            return kind
    close = ', '.join(timm_net.similar(model))
    hint = f': did you mean one of {close}?' if close else ''
    raise UserError(
        f"teacher '{model}' is no net of timm or mmpretrain, no folder with config.json, and no file "
        f'that ends in .onnx, .pth or .py{hint}'
    )


def _half(device: torch.device) -> torch.dtype | None:
    """Half precision of a device, where it has it."""
    if device.type != 'cuda':
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _to_grid(values: Tensor, grid: tuple[int, int]) -> Tensor:
    if values.shape[2] >= grid[0] and values.shape[3] >= grid[1]:
        return F.adaptive_avg_pool2d(values, grid)
    return F.interpolate(values, grid, mode='bilinear', align_corners=False)


def _normalised(values: Tensor, norm: str) -> Tensor:
    """Mean 0 and variance 1 over the channels of each place, or over all places of each channel."""
    over = (1,) if norm == 'place' else (0, 2, 3)
    variance, mean = torch.var_mean(values, dim=over, keepdim=True, unbiased=False)
    return (values - mean) / (variance + 1e-6) ** 0.5
