"""Nets of timm, by name."""

from collections.abc import Sequence

import timm

from ..timm_nets import load_timm
from .frozen_net import FrozenNet, suiting


def timm_net(
    model: str, checkpoint: str | None, depths: Sequence[int] | None, unit: int
) -> FrozenNet:
    """A net of timm.

    Args:
        model: Its name, such as ``'tf_efficientnet_lite0'``, or ``'local-dir:FOLDER'``.
        checkpoint: File of its weights, by timm's names, or by others in the same order and shapes;
            None takes those that come with the name, ``''`` draws them.
        depths: Which of its maps, counted as timm's ``out_indices``; by default the one that suits units.
        unit: Side of a mask unit in pixels.

    Raises:
        UserError: If timm does not know the net, or its weights cannot be had.
    """
    chosen = _suiting(model, unit) if depths is None else tuple(depths)
    net = load_timm(model, checkpoint, chosen)
    about = getattr(net, 'pretrained_cfg', None) or {}
    known = {key: tuple(about[key]) for key in ('mean', 'std') if about.get(key)}
    return FrozenNet(model, net, net, licence=about.get('license'), **known)


def _suiting(model: str, unit: int) -> tuple[int]:
    try:
        strides = timm.create_model(model, features_only=True).feature_info.reduction()
    except Exception:  # said where it is loaded
        return (-1,)
    return (suiting(strides, unit) - len(strides),)


def knows(model: str) -> bool:
    """Whether timm has a net of this name."""
    return bool(timm.is_model(model))


def similar(model: str) -> list[str]:
    """Names of timm that begin alike."""
    return list(timm.list_models(f'*{model.split("_")[0]}*')[:5])
