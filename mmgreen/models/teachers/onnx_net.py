"""Nets that onnxruntime computes: files of users, and on a CPU the nets of PyTorch, too."""

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmgreen.errors import UserError

from .frozen_net import IMAGENET_MEAN, IMAGENET_STD, FrozenNet, as_map

#: Sides of a patch that transformers have, in pixels, and tokens that may stand before the patches'.
_PATCHES, _OTHERS = (8, 14, 16, 32), 8
_OPSET = 17
#: How far a result may be from PyTorch's, as a share of its deviation.
_TOLERANCE = 0.01

Maps = Callable[[Tensor], Sequence[Tensor]]


def onnx_net(file: str, depths: Sequence[int] | None) -> FrozenNet:
    """A net of an ONNX file with one input, images (B, 3, H, W), normalised as ImageNet's.

    Args:
        file: Path.
        depths: Which of its outputs that are maps, (B, C, h, w), or tokens of patches, (B, N, C); by
            default the last.

    Raises:
        UserError: If onnxruntime is not installed, the file cannot be read, or its input is none.
    """
    if not os.path.isfile(file):
        raise UserError(f'teacher {file} does not exist')
    session, depths = _session(file), (-1,) if depths is None else tuple(depths)
    (first, *others) = session.get_inputs()
    if others or len(first.shape) != 4 or first.shape[1] not in (3, 'channels', None):
        raise UserError(
            f'teacher {file} takes {", ".join(f"{i.name} {i.shape}" for i in session.get_inputs())}, '
            'and not images alone, (B, 3, H, W)'
        )
    batch, _, *size = first.shape
    fixed = all(isinstance(side, int) for side in size)
    at_a_time = batch if isinstance(batch, int) else None

    def maps(images: Tensor) -> list[Tensor]:
        number = len(images)
        if at_a_time and number % at_a_time:  # the last ones are filled up
            images = torch.cat([images, images[-1:].expand(-number % at_a_time, -1, -1, -1)])
        outs = [_run(session, piece) for piece in images.split(at_a_time or number)]
        found = [
            out if out.ndim == 4 else as_map(out, *_grid(out.shape[1], images.shape[2:], file))
            for out in (torch.cat(parts)[:number] for parts in zip(*outs, strict=True))
            if out.ndim in (3, 4)
        ]
        try:
            return [found[depth] for depth in depths]
        except IndexError as error:
            raise UserError(
                f'teacher {file} has {len(found)} outputs that are maps: choose teacher.depths among '
                f'them, not {depths}'
            ) from error

    return FrozenNet(
        file,
        maps,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        size=(size[0], size[1]) if fixed else None,
    )


def quick(net: nn.Module, maps: Maps) -> Maps:
    """What computes the same maps on a CPU, in a third of the time where onnxruntime is installed.

    Small convolutions keep PyTorch waiting. The net is exported for each shape of images, when it is
    first seen, and compared with PyTorch's result; where it cannot be, PyTorch goes on.

    Args:
        net: A frozen module, on the CPU.
        maps: From images to maps, by this module.
    """
    sessions: dict[torch.Size, Any] = {}

    def run(images: Tensor) -> Sequence[Tensor]:
        if images.shape not in sessions:
            sessions[images.shape] = _exported(maps, images)
        session = sessions[images.shape]
        return maps(images) if session is None else _run(session, images)

    return run


def _exported(maps: Maps, images: Tensor) -> Any:
    """A session for images of a shape, or None where there is none that agrees."""
    if find_spec('onnxruntime') is None:
        _say('onnxruntime is not installed: a CPU needs up to four times as long for the teacher')
        return None
    expected = maps(images)
    try:
        session = _session(_export(_Module(maps), images))
        found = _run(session, images)
    except Exception as error:  # of an exporter, of a runtime: neither is needed
        _say(f'The teacher runs in PyTorch, since it cannot be exported: {_first(error)}')
        return None
    for ours, theirs in zip(found, expected, strict=True):
        if (ours - theirs).square().mean().sqrt() > _TOLERANCE * theirs.std():
            _say('The teacher runs in PyTorch, since onnxruntime finds other values')
            return None
    return session


class _Module(nn.Module):
    def __init__(self, maps: Maps) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.maps(images))


def _export(net: nn.Module, images: Tensor) -> bytes:
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        # The older exporter: the newer one takes twice as long, and a package more.
        warnings.simplefilter('ignore')
        file = Path(folder, 'net.onnx')
        torch.onnx.export(net.eval(), (images,), file, dynamo=False, opset_version=_OPSET)
        return file.read_bytes()


def _session(model: str | bytes) -> Any:
    if find_spec('onnxruntime') is None:
        raise UserError('a teacher of an ONNX file needs a package: pip install onnxruntime')
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    wanted = ('CUDAExecutionProvider', 'CPUExecutionProvider')
    providers = [p for p in wanted if p in onnxruntime.get_available_providers()]
    if isinstance(model, bytes):
        providers = ['CPUExecutionProvider']
    try:
        return onnxruntime.InferenceSession(model, options, providers=providers)
    except Exception as error:
        raise UserError(f'teacher {model!r:.80} is no ONNX file: {_first(error)}') from error


def _run(session: Any, images: Tensor) -> list[Tensor]:
    name = session.get_inputs()[0].name
    outs = session.run(None, {name: images.detach().cpu().numpy()})
    return [torch.from_numpy(out).to(images.device) for out in outs]


def _grid(tokens: int, size: Sequence[int], file: str) -> tuple[int, int]:
    """Tokens per column and row of an image's patches."""
    for patch in _PATCHES:
        height, width = (side // patch for side in size)
        if height * width <= tokens <= height * width + _OTHERS:
            return height, width
    raise UserError(
        f'teacher {file} gives {tokens} tokens for {size[0]}x{size[1]} pixels, which are no patches of '
        f'{", ".join(map(str, _PATCHES))} pixels'
    )


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _say(what: str) -> None:
    print_log(what, logger='current', level=logging.INFO)
