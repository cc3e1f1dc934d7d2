"""Pre-trained backbone weights: all of them, or an error."""

import re

import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmgreen.errors import UserError

from .architecture import architecture_of
from .converting import convert, holds_average, unwrap, window_side
from .fit import is_derived


def load_backbone(backbone: nn.Module, filename: str, prefix: str | None = None) -> None:
    """Load every weight of a backbone from a checkpoint, and say so in the log.

    Args:
        backbone: A :class:`GreenBackbone`.
        filename: File or URL, as mmengine takes it.
        prefix: Read only what stands under this name, such as ``'teacher.'``.

    Raises:
        UserError: See :func:`read_backbone`. The backbone is unchanged then.
    """
    weights, message = read_backbone(backbone, filename, prefix)
    backbone.load_state_dict(weights, strict=False)
    print_log(message, logger='current')


def read_backbone(
    backbone: nn.Module, filename: str, prefix: str | None = None
) -> tuple[dict[str, Tensor], str]:
    """Weights of a backbone from a checkpoint of any known format.

    It may be of GreenMIM, SimMIM, Swin or Twins, by the names of this project and
    mmpretrain, of the official projects or of timm, alone or within an
    algorithm or a detector (see :func:`mmgreen.checkpoints.converting.convert`).
    Relative position bias tables of other windows are resized, and a first layer of three channels
    is adapted to another number. Output norms of
    stages that the checkpoint's backbone did not have (a detector reads four
    stages, pre-training one) are left out.

    Args:
        backbone: What the weights are for; not changed.
        filename: File or URL, as mmengine takes it.
        prefix: Read only what stands under this name, such as ``'teacher.'``.

    Returns:
        The weights by the backbone's names, and in words what they are.

    Raises:
        UserError: If the checkpoint cannot be read or has an unknown format,
            lacks weights of the backbone, holds them in other shapes, or more
            of them. The message names the file and both architectures.
    """
    if not filename:
        raise UserError(
            'init_cfg.checkpoint of the backbone is empty: name a checkpoint with --cfg-options '
            'model.backbone.init_cfg.checkpoint=FILE, or train from scratch with '
            'model.backbone.init_cfg=None'
        )
    checkpoint = CheckpointLoader.load_checkpoint(filename, map_location='cpu', logger='silent')
    state = unwrap(checkpoint)
    if prefix is not None:
        prefix = prefix.rstrip('.') + '.'
        state = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    wanted = {k: v for k, v in backbone.state_dict().items() if not is_derived(k)}
    try:
        converted = convert(state)
        weights = converted.backbone
        resized = _resize_bias_tables(weights, wanted)
        channels = _adapt_channels(weights, wanted)
        new_norms = _compare(weights, wanted)
    except UserError as error:
        raise UserError(f'cannot start from checkpoint {filename}: {error}') from error

    message = f'loaded {len(wanted) - len(new_norms)} of {len(wanted)} backbone tensors'
    if new_norms:
        message += f' (new output norms: {", ".join(new_norms)})'
    if resized:
        message += f'; {resized}'
    message += channels
    if holds_average(checkpoint):
        message += '; the moving average of its weights'
    unused = [key for key in weights if key not in wanted]
    if unused:
        message += f'; not used: {", ".join(unused)}'
    message += f' from {filename} ({converted.kind} by {converted.style} names)'
    return {key: weights[key] for key in wanted if key in weights}, message


def resize_bias_table(table: Tensor, window: int) -> Tensor:
    """Resize a relative position bias table to another window, bicubic.

    Args:
        table: ((2w-1)**2, heads).
        window: Side of the new window.

    Returns:
        ((2*window-1)**2, heads).

    Raises:
        UserError: If the table is not that of a square window.
    """
    old, new = 2 * window_side(table) - 1, 2 * window - 1
    grid = table.t().view(1, -1, old, old)
    grid = F.interpolate(grid.float(), size=(new, new), mode='bicubic', align_corners=False)
    return grid.view(-1, new * new).t().to(table.dtype)


def _resize_bias_tables(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    """Resize in place the tables of other windows; say which, or nothing."""
    changes: dict[str, list[str]] = {}
    for key, target in wanted.items():
        if not key.endswith('relative_position_bias_table') or key not in weights:
            continue
        old, new = window_side(weights[key]), window_side(target)
        if old != new:
            weights[key] = resize_bias_table(weights[key], new)
            stage = key.split('.')[1]
            stages = changes.setdefault(f'from window {old} to {new}', [])
            stages += [] if stage in stages else [stage]
    message = [f'{change} in stages {", ".join(stages)}' for change, stages in changes.items()]
    return (
        f'relative position bias tables resized (bicubic) {"; ".join(message)}' if message else ''
    )


def adapt_channels(weight: Tensor, channels: int) -> Tensor:
    """A first layer of three channels for another number of them.

    Channels are repeated in turn, and shifted alike so that an image whose channels are all the same
    gives what it gave before.

    Args:
        weight: (out, 3, height, width).
        channels: Channels of the new layer.

    Returns:
        (out, channels, height, width).
    """
    repeated = weight[:, [i % weight.shape[1] for i in range(channels)]]
    # What the sum has too much or too little is shared by all channels.
    return repeated + (weight.sum(1, keepdim=True) - repeated.sum(1, keepdim=True)) / channels


def _adapt_channels(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    """Adapt a first layer in place, where only its channels differ; say so, or nothing."""
    for key, target in wanted.items():
        found = weights.get(key)
        if (
            found is not None
            and found.ndim == target.ndim == 4
            and found.shape[1] == 3 != target.shape[1]
            and found.shape[0] == target.shape[0]
            and key.endswith('projection.weight')
        ):
            weights[key] = adapt_channels(found, target.shape[1])
            return f'; first layer adapted from 3 channels to {target.shape[1]}'
    return ''


def _compare(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> list[str]:
    """Output norms that the weights do not have; anything else that differs is an error."""
    missing = [k for k in wanted if k not in weights]
    new_norms = [k for k in missing if re.match(r'norm\d\.', k)]
    missing = [k for k in missing if k not in new_norms]
    shapes = [k for k in wanted if k in weights and weights[k].shape != wanted[k].shape]
    # A mask token and norms of other stages have done their work; a block has not.
    left_over = [
        k
        for k in weights
        if k not in wanted and not re.match(r'norm(_after_stage)?\d|mask_token', k)
    ]
    if not (missing or shapes or left_over):
        return new_norms
    if shapes:
        key = shapes[0]
        fault = (
            f'holds {len(shapes)} weights of other shapes, such as {key} with '
            f'{tuple(weights[key].shape)} where the backbone has {tuple(wanted[key].shape)}'
        )
    elif missing:
        fault = f'lacks {len(missing)} of the {len(wanted)} weights of the backbone'
        fault += f', such as {missing[0]}'
    else:
        fault = f'holds {len(left_over)} weights more than the backbone, such as {left_over[0]}'
    raise UserError(
        f'it {fault}; it is of {architecture_of(weights)}, the backbone of '
        f'{architecture_of(wanted)}'
    )
