"""Nets of folders of Hugging Face: DINOv2, DINOv3, and whatever else transformers knows."""

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from mmgreen.errors import UserError

from .frozen_net import IMAGENET_MEAN, IMAGENET_STD, FrozenNet, as_map, suiting
from .timm_net import timm_net

#: What an address of the Hugging Face Hub begins with.
HUB = 'hf://'


def hugging_face_net(folder: str, depths: Sequence[int] | None, unit: int) -> FrozenNet:
    """A net of a folder with ``config.json`` and weights, of transformers' layout or of timm's.

    Args:
        folder: Folder, or such a one of the Hugging Face Hub, ``hf://OWNER/NAME`` or
            ``hf://OWNER/NAME@REVISION``, which is downloaded once.
        depths: Numbers of blocks, or of stages of a convolutional net, from 0; negative ones count from
            the last. By default the last block, or the stage that suits units.
        unit: Side of a mask unit in pixels.

    Raises:
        UserError: If transformers is not installed, does not know the net, or the weights are not all
            there.
    """
    if folder.startswith(HUB):
        folder = _from_hub(folder)
    about = json.loads(Path(folder, 'config.json').read_text(encoding='utf-8'))
    if 'architecture' in about:  # timm's own layout
        return timm_net(f'local-dir:{folder}', None, depths, unit)
    try:
        from transformers import AutoModel
        from transformers.utils import logging
    except ImportError as error:
        raise UserError(f'teacher {folder} needs a package: pip install transformers') from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        net, found = AutoModel.from_pretrained(
            folder, output_loading_info=True, local_files_only=True
        )
    except Exception as error:  # of a library, of files
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f'teacher {folder} cannot be had: {first}') from error
    missing = sorted(name for name in found['missing_keys'] if 'pooler' not in name)
    if missing:
        raise UserError(
            f'teacher {folder} lacks {len(missing)} of its weights, such as {missing[0]}: download it '
            'again'
        )
    if depths is None:
        depths = (-1,)
        if not hasattr(net.config, 'patch_size'):
            stages = range(len(net.config.depths))
            _, strides = FrozenNet(folder, _Maps(net, stages), net).shapes()
            depths = (suiting(strides, unit),)
    mean, std = _scale(Path(folder, 'preprocessor_config.json'))
    return FrozenNet(
        f'{about.get("model_type", "net")} of {folder}',
        _Maps(net, depths),
        net,
        mean,
        std,
        licence=about.get('license') or _licence(Path(folder, 'README.md')),
    )


class _Maps:
    """Hidden states of a net as maps.

    Args:
        net: A model of transformers.
        depths: See :func:`hugging_face_net`.
    """

    def __init__(self, net: Any, depths: Sequence[int]) -> None:
        self.net = net
        self.depths = [
            depth + 1 if depth >= 0 else depth for depth in depths
        ]  # 0: before the first
        asked = inspect.signature(net.forward).parameters
        self.options = (
            dict(interpolate_pos_encoding=True) if 'interpolate_pos_encoding' in asked else {}
        )

    def __call__(self, images: Tensor) -> list[Tensor]:
        out = self.net(pixel_values=images, output_hidden_states=True, **self.options)
        chosen = [out.hidden_states[depth] for depth in self.depths]
        if chosen[0].ndim == 4:
            return chosen
        patch = self.net.config.patch_size
        grid = tuple(side // patch for side in images.shape[2:])
        return [as_map(tokens, *grid) for tokens in chosen]


def _from_hub(address: str) -> str:
    """The folder of a Hub's address on this machine."""
    from huggingface_hub import snapshot_download

    repository, _, revision = address.removeprefix(HUB).partition('@')
    try:
        return str(
            snapshot_download(
                repository,
                revision=revision or None,
                allow_patterns=['*.json', 'model*.safetensors', 'README.md'],
            )
        )
    except Exception as error:  # of the Hub's package, and of the network
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f'teacher {address} cannot be downloaded: {first}') from error


def _scale(file: Path) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation that a folder says, or ImageNet's."""
    said = json.loads(file.read_text(encoding='utf-8')) if file.is_file() else {}
    return said.get('image_mean') or IMAGENET_MEAN, said.get('image_std') or IMAGENET_STD


def _licence(card: Path) -> str | None:
    """Licence that a model card names."""
    if not card.is_file():
        return None
    for line in card.read_text(encoding='utf-8', errors='replace').splitlines():
        if line.startswith(('license:', 'license_name:')):
            return line.partition(':')[2].strip()
    return None
