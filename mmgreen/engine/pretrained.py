"""Pre-trained backbone weights: all of them, or an error."""

import re

from mmengine.logging import print_log
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from mmgreen.errors import UserError

from .checkpoint import is_derived


def load_backbone(backbone: nn.Module, filename: str, prefix: str | None = None) -> None:
    """Load every weight of a backbone from a checkpoint.

    The checkpoint may be a training checkpoint of an algorithm or a detector
    (weights under ``backbone.``), a wrapped one, or a bare backbone; the prefix
    is found by itself. Output norms of stages that the checkpoint's backbone
    did not have (a detector reads four stages, pre-training one) keep their
    initial values, and are named in the log.

    Args:
        backbone: A :class:`GreenSwinTransformer`.
        filename: File or URL, as mmengine takes it.
        prefix: What stands before the backbone's names, instead of searching.

    Raises:
        UserError: If the checkpoint cannot be read, lacks weights of the
            backbone or holds them in other shapes. The message names the file
            and both styles of names. The backbone is unchanged then.
    """
    if not filename:
        raise UserError(
            'init_cfg.checkpoint of the backbone is empty: name a checkpoint with --cfg-options '
            'model.backbone.init_cfg.checkpoint=FILE, or train from scratch with '
            'model.backbone.init_cfg=None'
        )
    checkpoint = CheckpointLoader.load_checkpoint(filename, map_location='cpu')
    found = checkpoint.get('state_dict', checkpoint.get('model', checkpoint))
    found = {key: value for key, value in found.items() if isinstance(value, Tensor)}
    wanted = {k: v for k, v in backbone.state_dict().items() if not is_derived(k)}

    prefix = _find_prefix(wanted, found) if prefix is None else prefix.rstrip('.') + '.'
    weights = {
        key.removeprefix(prefix): value
        for key, value in found.items()
        if key.startswith(prefix) and not is_derived(key)
    }
    new_norms = [k for k in wanted if k not in weights and re.match(r'norm\d\.', k)]
    missing = [k for k in wanted if k not in weights and k not in new_norms]
    shapes = [k for k in wanted if k in weights and weights[k].shape != wanted[k].shape]
    if missing or shapes:
        if missing:
            fault = f'lacks {len(missing)} of the {len(wanted)} weights of the backbone'
        else:
            key = shapes[0]
            fault = (
                f'holds {len(shapes)} weights of other shapes, such as {key} with '
                f'{tuple(weights[key].shape)} where the backbone has {tuple(wanted[key].shape)}'
            )
        example = next(iter(missing or shapes))
        there = next((k for k in found if k.endswith('weight')), 'none')
        raise UserError(
            f"checkpoint {filename} {fault}: the backbone's names are like '{example}', the "
            f"checkpoint's like '{there}', so it is of another architecture or project "
            '(see tools/converters)'
        )

    backbone.load_state_dict({k: weights[k] for k in wanted if k in weights}, strict=False)
    message = f'loaded {len(wanted) - len(new_norms)} of {len(wanted)} backbone tensors'
    if new_norms:
        message += f' (new output norms: {", ".join(new_norms)})'
    unused = sorted(set(weights) - set(wanted)) if prefix else []
    if unused:
        message += f'; not used: {", ".join(unused)}'
    print_log(f'{message} from {filename}', logger='current')


def _find_prefix(wanted: dict[str, Tensor], found: dict[str, Tensor]) -> str:
    """The prefix under which most of the wanted names are found."""
    probe = next(iter(wanted))  # patch_embed.projection.weight
    candidates = {key[: -len(probe)] for key in found if key.endswith(probe)} | {''}
    return max(sorted(candidates), key=lambda p: sum(p + key in found for key in wanted))
