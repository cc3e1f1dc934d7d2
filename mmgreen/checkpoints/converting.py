"""Weights of other projects under this project's names, and back."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmpretrain.models.utils.attention import WindowMSA
from torch import Tensor

from mmgreen.errors import UserError

from .fit import is_derived
from .names import FAMILIES, KINDS, LAST_NORM, STYLES, SWIN, TWINS, Family, rename
from .transformers import from_transformers, to_transformers

_TABLE = 'relative_position_bias_table'
_DERIVED = 'derived from the geometry'
_ELSEWHERE = 'not part of the backbone'


# Under which names timm and the official projects keep a moving average of the weights.
_AVERAGES = ('state_dict_ema', 'model_ema')


@dataclass
class Converted:
    """Weights under this project's names, and where they came from.

    Attributes:
        style: Whose names they had: one of :data:`STYLES`.
        kind: What they are of: one of :data:`KINDS`.
        prefix: What stood before the names of the backbone, such as ``'encoder.'``.
        weights: Names as of mmpretrain's algorithms: ``backbone.``, ``neck.``,
            ``head.``.
        dropped: Names that were left out, by the reason.
    """

    style: str
    kind: str
    prefix: str
    weights: dict[str, Tensor]
    dropped: dict[str, list[str]]

    @property
    def backbone(self) -> dict[str, Tensor]:
        """The backbone's weights, without ``backbone.`` and derived buffers."""
        return {
            key.removeprefix('backbone.'): value
            for key, value in self.weights.items()
            if key.startswith('backbone.') and not is_derived(key)
        }


def holds_average(checkpoint: Mapping[str, Any]) -> bool:
    """Whether :func:`unwrap` takes a moving average of the weights."""
    return any(checkpoint.get(key) for key in _AVERAGES)


def unwrap(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint, whatever they are wrapped in.

    Takes ``state_dict`` (OpenMMLab, timm), ``model`` (the official projects) or
    the dict itself; where there is a moving average of the weights, that, as timm does. It removes
    what DistributedDataParallel and torch.compile put before the names.
    """
    keys = (*_AVERAGES, 'state_dict', 'model')
    state = next((checkpoint[k] for k in keys if checkpoint.get(k)), checkpoint)
    if not isinstance(state, Mapping):
        return {}
    return {
        re.sub(r'^(module\.|_orig_mod\.)+', '', key): value
        for key, value in state.items()
        if isinstance(key, str) and isinstance(value, Tensor)
    }


def convert(state: Mapping[str, Tensor]) -> Converted:
    """Give the weights of a backbone of another project this project's names.

    The source is recognised by its names. Patch merging weights of the official
    projects and timm are reordered: theirs go over the patches (0,0), (1,0),
    (0,1), (1,1) (row, column) with C channels each, mmpretrain's are
    channel-major.

    Args:
        state: See :func:`unwrap`.

    Returns:
        All that was converted; tensors that need no new order are shared.

    Raises:
        UserError: If the names are of no known project, or one of them is not
            part of a Swin V1 or Twins backbone.
    """
    theirs = from_transformers(state)
    if theirs is not None:
        begun, prefix, left = theirs
        converted = convert(begun)
        for key in left:
            reason = _DERIVED if is_derived(key) else _ELSEWHERE
            converted.dropped.setdefault(reason, []).append(key)
        return replace(converted, style='transformers', prefix=prefix)
    family, style, prefix = _recognise(state)
    if style == 'mmpretrain':
        return _from_mmpretrain(state, family, prefix)

    kind = _official_kind(state, family, prefix)
    within, beside = _tables(family, kind)
    # A classifier is part of the net it stands in, a decoder stands beside the encoder.
    beside_inside = kind == family.name or not prefix
    last = _last_stage(state, prefix + family.stages[0])
    weights, dropped = {}, defaultdict(list)
    for key, value in state.items():
        if is_derived(key) or key == 'decoder_pos_embed':
            dropped[_DERIVED].append(key)
            continue
        inside = key.startswith(prefix)
        official = key.removeprefix(prefix)
        if style == 'timm':
            official = _official_of_timm(official)
        name = rename(official, within, last) if inside else None
        if name:
            name = f'backbone.{name}'
        elif inside == beside_inside:
            name = rename(official, beside, last)
        if name is None and inside:
            raise UserError(
                f"it has a weight named '{key}', which a {family.version} does not have"
            )
        if name is None:
            dropped[_ELSEWHERE].append(key)
            continue
        weights[name] = _channel_major(value) if '.downsample.' in name else value
        if name.endswith(_TABLE):
            weights[name.replace('_bias_table', '_index')] = relative_position_index(value)
    return Converted(style, kind, prefix, weights, dict(dropped))


def revert(
    weights: Mapping[str, Tensor], style: str, prefix: str = '', kind: str | None = None
) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """Give weights the names of another project: the inverse of :func:`convert`.

    Args:
        weights: See :class:`Converted`.
        style: One of :data:`STYLES`.
        prefix: What to put before the names of the backbone.
        kind: What else to write: one of :data:`KINDS`; a classifier by default.

    Returns:
        The weights, and the names that have no place there, by the reason.

    Raises:
        UserError: If the norm after the last stage is missing, which the
            others cannot do without, or the other project has no such backbone.
    """
    if style == 'mmpretrain':
        return {_swap_prefix(key, 'backbone.', prefix): v for key, v in weights.items()}, {}
    family = family_of(key.removeprefix('backbone.') for key in weights)
    if style == 'transformers' and family is TWINS:
        raise UserError('transformers has no Twins')
    kind = kind or family.name
    last = _last_stage(weights, f'backbone.{family.stages[1]}')
    norm = family.last_norm[1].replace('{last}', str(last))
    if f'backbone.{norm}.weight' not in weights:
        raise UserError(f"it has no norm after the last stage, '{norm}', which {style} needs")
    inside, beside = ([(ours, theirs) for theirs, ours in table] for table in _tables(family, kind))
    reverted, dropped = {}, defaultdict(list)
    for key, value in weights.items():
        if is_derived(key):
            dropped[_DERIVED].append(key)
            continue
        of_backbone = key.startswith('backbone.')
        name = rename(key.removeprefix('backbone.'), inside if of_backbone else beside, last)
        if name is None:
            dropped[f'{STYLES[style]} have no place for it'].append(key)
            continue
        if style == 'timm' and family is SWIN:
            name = _timm_of_official(name)
        if style != 'transformers' and (of_backbone or kind == family.name):
            name = prefix + name
        reverted[name] = _patch_major(value) if '.downsample.' in name else value
    if style == 'transformers':
        reverted = to_transformers(reverted, prefix)
    return reverted, dict(dropped)


def relative_position_index(table: Tensor) -> Tensor:
    """mmpretrain's index buffer for a bias table of ((2w-1)**2, heads): (w*w, w*w), int64."""
    side = window_side(table)
    index: Tensor = WindowMSA(1, (side, side), 1).relative_position_index
    return index


def window_side(table: Tensor) -> int:
    """Side w of the window of a bias table of ((2w-1)**2, heads).

    Raises:
        UserError: If no window has a table of that size.
    """
    side = int(round(len(table) ** 0.5) + 1) // 2
    if table.ndim != 2 or (2 * side - 1) ** 2 != len(table):
        raise UserError(
            f'a relative position bias table of shape {tuple(table.shape)} is not that of a square window'
        )
    return side


def family_of(names: Iterable[str]) -> Family:
    """The family of a backbone by mmpretrain's names."""
    return TWINS if TWINS.probes['mmpretrain'] in set(names) else SWIN


def _tables(family: Family, kind: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Names of the backbone, and of what stands beside it."""
    within, beside = KINDS[kind]
    within = [family.last_norm if names is LAST_NORM else names for names in within]
    return family.backbone + within, beside


def _recognise(state: Mapping[str, Tensor]) -> tuple[Family, str, str]:
    """Family and style of the names of a state dict, and what stands before those of its backbone."""
    if any('cpb_mlp' in key or key.endswith('attn.logit_scale') for key in state):
        raise UserError(
            'it is of Swin V2, whose attention is another one: take weights of Swin of version 1'
        )
    probes = [(f, style, probe) for f in FAMILIES for style, probe in f.probes.items()]
    for family, style, probe in probes:
        prefixes = sorted(key[: -len(probe)] for key in state if key.endswith(probe))
        if not prefixes:
            continue
        # There may be several, such as a student and its teacher: the one with most keys is taken.
        prefix = max(prefixes, key=lambda p: sum(key.startswith(p) for key in state))
        # timm merges patches at the beginning of a stage, the others at the end.
        if f'{prefix}layers.1.downsample.reduction.weight' in state and (
            f'{prefix}layers.0.downsample.reduction.weight' not in state
        ):
            style = 'timm'
        return family, style, prefix
    there = next(iter(state), None)
    raise UserError(
        'its format is not known: '
        + (f"its weights have names like '{there}'" if there else 'it holds no weights')
        + ', and known are GreenMIM, SimMIM, Swin of version 1 and Twins, by the official names, '
        "timm's or mmpretrain's"
    )


def _official_kind(state: Mapping[str, Tensor], family: Family, prefix: str) -> str:
    if any(key.startswith('decoder_blocks.') for key in state):
        return 'GreenMIM'
    if f'{prefix}mask_token' in state:
        return 'SimMIM'
    if family is SWIN and f'{prefix}norm.weight' not in state:
        return 'Swin detector'
    return family.name


def _from_mmpretrain(state: Mapping[str, Tensor], family: Family, prefix: str) -> Converted:
    """A backbone by itself, or with whatever stands beside ``backbone.``."""
    kinds = {'neck.decoder_pred.weight': 'GreenMIM', 'neck.decoder.0.weight': 'SimMIM'}
    kind = next((kind for key, kind in kinds.items() if key in state), family.name)
    weights: dict[str, Tensor] = {}
    dropped: dict[str, list[str]] = {}
    for key, value in state.items():
        if key.startswith(prefix) and (
            prefix or re.match(r'(patch|abs|stages|norm|mask|position)', key)
        ):
            weights[_swap_prefix(key, prefix, 'backbone.')] = value
        elif prefix == 'backbone.':
            weights[key] = value
        else:
            dropped.setdefault(_ELSEWHERE, []).append(key)
    return Converted('mmpretrain', kind, prefix, weights, dropped)


def _swap_prefix(key: str, old: str, new: str) -> str:
    return new + key.removeprefix(old) if key.startswith(old) else key


def _last_stage(state: Mapping[str, Tensor], before: str) -> int:
    found = (re.match(rf'{re.escape(before)}\.(\d+)\.', key) for key in state)
    return max(int(match[1]) for match in found if match)


def _official_of_timm(name: str) -> str:
    name = re.sub(r'^head\.fc\.', 'head.', name)
    return re.sub(r'^(layers\.)(\d+)(?=\.downsample)', lambda m: f'{m[1]}{int(m[2]) - 1}', name)


def _timm_of_official(name: str) -> str:
    name = re.sub(r'^head\.', 'head.fc.', name)
    return re.sub(r'^(layers\.)(\d+)(?=\.downsample)', lambda m: f'{m[1]}{int(m[2]) + 1}', name)


def _channel_major(weight: Tensor) -> Tensor:
    """Patch merging, last dimension 4*C: four patches of C channels to C times four patches."""
    if weight.shape[-1] % 4:
        raise UserError(
            f'patch merging weights of shape {tuple(weight.shape)} do not join four patches'
        )
    patches = weight.reshape(*weight.shape[:-1], 4, -1)[..., [0, 2, 1, 3], :]
    return patches.transpose(-1, -2).flatten(-2)


def _patch_major(weight: Tensor) -> Tensor:
    """Inverse of :func:`_channel_major`."""
    patches = weight.reshape(*weight.shape[:-1], -1, 4).transpose(-1, -2)
    return patches[..., [0, 2, 1, 3], :].flatten(-2)
