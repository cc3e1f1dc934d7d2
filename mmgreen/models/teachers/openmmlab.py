"""Backbones of OpenMMLab: of a config, of mmpretrain by name, of a checkpoint of this project."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader, load_state_dict
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from torch import Tensor, nn

from mmgreen.checkpoints import load_backbone, read_checkpoint
from mmgreen.checkpoints.converting import unwrap
from mmgreen.config import load_config
from mmgreen.errors import UserError
from mmgreen.registry import MODELS

from ..backbones.green_backbone import GreenBackbone
from .frozen_net import FrozenNet

# What backbones that have such a setting need, to give maps, also of small images.
_AS_MAPS = dict(out_type='featmap', gap_before_final_norm=False, pad_small_map=True)


def openmmlab_net(model: str, checkpoint: str | None, depths: Sequence[int] | None) -> FrozenNet:
    """The backbone of a model of OpenMMLab.

    Args:
        model: A config file; a checkpoint that holds its config, as mmengine's do; or a name of
            mmpretrain's list.
        checkpoint: File of its weights; ``''`` draws them. None takes what mmpretrain's list has of a
            name, and the checkpoint itself where ``model`` is one.
        depths: Its ``out_indices``; by default those that it has.

    Raises:
        UserError: If there is no such config or checkpoint, or the weights are not the backbone's.
    """
    cfg, known = _config(model)
    checkpoint = known if checkpoint is None else checkpoint
    if checkpoint is None:
        raise UserError(f'teacher {model} has no weights: name a file, teacher.checkpoint')
    settings = dict(cfg.model.get('backbone') or {}, init_cfg=None)
    if 'type' not in settings:
        raise UserError(f'teacher {model} has no backbone')
    if depths is not None:
        settings['out_indices'] = tuple(depths)
    registry = MODELS if MODELS.get(settings['type']) else MMPRETRAIN_MODELS
    parents = inspect.getmro(registry.get(settings['type']))
    taken = {name for parent in parents for name in inspect.signature(parent).parameters}
    net = registry.build(settings | {k: v for k, v in _AS_MAPS.items() if k in taken})
    if checkpoint:
        _load(net, checkpoint)
    scale = cfg.get('data_preprocessor') or cfg.model.get('data_preprocessor') or {}
    known_scale: dict[str, Any] = {}
    turned = scale.get('to_rgb') or scale.get('bgr_to_rgb')
    for key, divisor in (('mean', 255.0), ('std', 255.0)):
        if scale.get(key):
            known_scale[key] = [value / divisor for value in scale[key]]
    if turned or not scale:
        return FrozenNet(model, net, net, **known_scale)
    known_scale = {key: value[::-1] for key, value in known_scale.items()}  # red first

    def maps(images: Tensor) -> Sequence[Tensor]:
        return net(images.flip(1))

    return FrozenNet(model, maps, net, **known_scale)


def knows(model: str) -> bool:
    """Whether mmpretrain has a model of this name."""
    from mmpretrain.apis import list_models

    return model in list_models()


def _config(model: str) -> tuple[Any, str | None]:
    """The config of a model, and where its weights are."""
    if model.endswith('.py') or '::' in model:
        return load_config(model), None
    if model.endswith('.pth'):
        text = (read_checkpoint(model).get('meta') or {}).get('cfg')
        if not text:
            raise UserError(
                f'checkpoint {model} says not what net it is of: name the config as teacher.model, and '
                'this file as teacher.checkpoint'
            )
        return Config.fromstring(text, '.py'), model
    from mmpretrain.apis.model import ModelHub

    info = ModelHub.get(model)
    return info.config, info.weights


def _load(net: nn.Module, checkpoint: str) -> None:
    """Weights of a backbone, all of them."""
    if isinstance(net, GreenBackbone):
        load_backbone(net, checkpoint)
        return
    state = unwrap(
        CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu', logger='silent')
    )
    within = {
        key.removeprefix('backbone.'): value
        for key, value in state.items()
        if key.startswith('backbone.')
    }
    state = within or state
    missing = [key for key in net.state_dict() if key not in state]
    wrong = [k for k, v in net.state_dict().items() if k in state and state[k].shape != v.shape]
    for what, keys in (('lacks', missing), ('has in other shapes', wrong)):
        if keys:
            raise UserError(
                f'checkpoint {checkpoint} {what} {len(keys)} weights of the teacher, such as {keys[0]}'
            )
    with torch.no_grad():
        load_state_dict(net, state, strict=False, logger='silent')
