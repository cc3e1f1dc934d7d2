"""Nets of timm, by name."""

from collections.abc import Sequence
from importlib.util import find_spec

from ..timm_nets import import_timm, load_timm
from .frozen_net import FrozenNet, suiting


def timm_net(
    model: str, checkpoint: str | None, depths: Sequence[int] | None, unit: int
) -> FrozenNet:
    """A net of timm.

    Args:
        model: Its name, such as ``'tf_efficientnet_lite0'``, or ``'local-dir:FOLDER'``.
        checkpoint: File of its weights, by timm's names, or by others in the same order and shapes;
            None takes those that timm downloads, ``''`` draws them.
        depths: Which of its maps, counted as timm's ``out_indices``; by default the one that suits units.
        unit: Side of a mask unit in pixels.

    Raises:
        UserError: If timm is not installed, does not know the net, or its weights cannot be had.
    """
    chosen = _suiting(model, unit) if depths is None else tuple(depths)
    net = load_timm(model, checkpoint, chosen)
    about = getattr(net, 'pretrained_cfg', None) or {}
    known = {key: tuple(about[key]) for key in ('mean', 'std') if about.get(key)}
    return FrozenNet(model, net, net, licence=about.get('license'), **known)


def _suiting(model: str, unit: int) -> tuple[int]:
    try:
        strides = import_timm().create_model(model, features_only=True).feature_info.reduction()
    except Exception:  # said where it is loaded
        return (-1,)
    return (suiting(strides, unit) - len(strides),)


def knows(model: str) -> bool:
    """Whether timm is installed, and has a net of this name."""
    return find_spec('timm') is not None and bool(import_timm().is_model(model))


def similar(model: str) -> list[str]:
    """Names of timm that begin alike."""
    if find_spec('timm') is None:
        return []
    return list(import_timm().list_models(f'*{model.split("_")[0]}*')[:5])
