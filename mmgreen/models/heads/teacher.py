"""Frozen nets of timm whose features are targets."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn

from mmgreen.checkpoints import read_checkpoint
from mmgreen.checkpoints.converting import unwrap
from mmgreen.errors import UserError


class Teacher:
    """A net of timm that says features of images, and is not trained.

    It is no module: nothing of it is saved, optimised or wrapped with what it teaches.

    Args:
        model: Its name in timm, such as ``'tf_efficientnet_lite0'`` or ``'vit_small_patch14_dinov2'``.
        checkpoint: File of its weights, by timm's names, or by others in the same order and shapes; by
            default those that timm downloads. ``''`` draws them.
        depths: Which of its maps, counted as timm's ``out_indices``.
        image_mean: What the data preprocessor subtracts, by channel, red first.
        image_std: What it divides by.

    Attributes:
        channels: Of each map.
        strides: Pixels of the input for each place of each map.

    Raises:
        UserError: If timm is not installed, does not know the net, or its weights cannot be had.
    """

    def __init__(
        self,
        model: str,
        checkpoint: str | None = None,
        depths: Sequence[int] = (-1,),
        image_mean: Sequence[float] = (123.675, 116.28, 103.53),
        image_std: Sequence[float] = (58.395, 57.12, 57.375),
    ) -> None:
        self.net = _load(model, checkpoint, tuple(depths)).eval().requires_grad_(False)
        self.channels: list[int] = self.net.feature_info.channels()
        self.strides: list[int] = self.net.feature_info.reduction()
        about = getattr(self.net, 'pretrained_cfg', None) or {}
        mean, std = (about.get(key, value) for key, value in (('mean', 0.5), ('std', 0.5)))
        ours, theirs = (
            torch.tensor(v, dtype=torch.float32).view(1, -1, 1, 1) for v in (image_mean, image_std)
        )
        self._shift = ours - 255 * torch.tensor(mean).view(1, -1, 1, 1)
        self._scale, self._std = theirs, 255 * torch.tensor(std).view(1, -1, 1, 1)
        parameters = sum(p.numel() for p in self.net.parameters()) / 1e6
        licence = about.get('license') or 'unknown: ask where it is from'
        print_log(
            f'Teacher {model}: {parameters:.1f} million parameters, channels {self.channels}, licence '
            f'{licence}',
            logger='current',
            level=logging.INFO,
        )

    @torch.compiler.disable
    @torch.no_grad()
    def features(self, images: Tensor, unit: int) -> Tensor:
        """Features of mask units.

        The images are enlarged or reduced so that a place of the deepest map is a unit; the other maps
        are averaged to that grid. Each map is normalised over its channels.

        Args:
            images: (B, 3, H, W), preprocessed.
            unit: Side of a mask unit in pixels.

        Returns:
            (B, sum of channels, H / unit, W / unit), float32.
        """
        self.net.to(images.device)
        shift, scale, std = (v.to(images.device) for v in (self._shift, self._scale, self._std))
        x = (images.float() * scale + shift) / std
        grid = images.shape[2] // unit, images.shape[3] // unit
        size = tuple(side * self.strides[-1] for side in grid)
        if size != tuple(x.shape[2:]):
            x = F.interpolate(x, size, mode='bicubic', antialias=True)
        maps = [F.adaptive_avg_pool2d(m.float(), grid) for m in self.net(x)]
        return torch.cat([_normalised(m) for m in maps], dim=1)


def _normalised(values: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the channels of each place."""
    variance, mean = torch.var_mean(values, dim=1, keepdim=True, unbiased=False)
    return (values - mean) / (variance + 1e-6) ** 0.5


def _by_names_of(net: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of another project that are the net's one by one, in order and shape, by its names."""
    wanted = net.state_dict()
    alike = [v.shape for v in wanted.values()] == [v.shape for v in state.values()]
    renamed = alike and not wanted.keys() & state.keys()
    return dict(zip(wanted, state.values(), strict=True)) if renamed else state


def _is_whole(net: nn.Module, state: dict[str, Tensor]) -> bool:
    """Whether a net's weights are all there, but for those of its classifier."""
    about = getattr(net, 'pretrained_cfg', None) or {}
    classifier = about.get('classifier') or ()
    beside = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    missing = [name for name in net.state_dict() if name not in state]
    return all(name.startswith(tuple(f'{part}.' for part in beside)) for name in missing)


def _load(model: str, checkpoint: str | None, depths: tuple[int, ...]) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise UserError('a teacher needs timm: pip install timm') from error
    if not timm.is_model(model):
        close = ', '.join(timm.list_models(f'*{model.split("_")[0]}*')[:5])
        raise UserError(f"timm knows no net '{model}'" + (f', but {close}' if close else ''))
    options: dict[str, Any] = dict(features_only=True, out_indices=depths)
    state = unwrap(read_checkpoint(checkpoint)) if checkpoint else {}
    try:
        if checkpoint is None:
            options['pretrained'] = True
        elif checkpoint:
            net = timm.create_model(model)
            state = _by_names_of(net, state)
            if not _is_whole(net, state):  # of a form that timm converts, or not of this net
                overlay = dict(state_dict=dict(state))
                timm.create_model(model, pretrained=True, pretrained_cfg_overlay=overlay)
            options.update(pretrained=True, pretrained_cfg_overlay=dict(state_dict=state))
        try:  # vision transformers ask for it, others do not know it
            return timm.create_model(model, dynamic_img_size=True, **options)
        except TypeError:
            return timm.create_model(model, **options)
    except Exception as error:  # of timm, of the Hub, of weights that do not fit
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = checkpoint or 'what timm downloads (name a file: teacher.checkpoint)'
        raise UserError(f'teacher {model} cannot be had from {where}: {first}') from error
