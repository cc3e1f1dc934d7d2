"""Swin Transformers by the names in files of Hugging Face's transformers."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mmgreen.errors import UserError

from .fit import is_derived
from .names import TRANSFORMERS, rename

_PROBE = 'encoder.layers.0.blocks.0.attention.self.query.weight'
_PARTS = ('query', 'key', 'value')
_CLASSIFIER = [('head', 'classifier')]


def from_transformers(
    state: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], str, list[str]] | None:
    """Weights by the official names, of a model of transformers; None of another.

    Args:
        state: Of ``SwinModel``, or of what has one and a classifier.

    Returns:
        Weights, what stands before the names of the backbone, such as ``'swin.'``, and names that were left out.

    Raises:
        UserError: If a weight of the backbone is unknown, or queries have no keys or values.
    """
    prefix = next((key[: -len(_PROBE)] for key in state if key.endswith(_PROBE)), None)
    if prefix is None or any('continuous_position_bias_mlp' in key for key in state):  # Swin V2
        return None
    inside, beside = ([(new, old) for old, new in names] for names in (TRANSFORMERS, _CLASSIFIER))
    official, left = {}, []
    for key, value in state.items():
        name = rename(key.removeprefix(prefix), inside) if key.startswith(prefix) else None
        name = name or rename(key, beside)
        if name is None and key.startswith(prefix) and prefix and not is_derived(key):
            raise UserError(
                f"it has a weight named '{key}', which a Swin of version 1 does not have"
            )
        if name is None or is_derived(key):
            left.append(key)
        else:
            official[name] = value
    for key in [key for key in official if '.attn.query.' in key]:
        names = [key.replace('.query.', f'.{part}.') for part in _PARTS]
        if not all(name in official for name in names):
            raise UserError(f"it has no keys or no values beside '{key}'")
        joined = torch.cat([official.pop(name) for name in names])
        official[key.replace('.query.', '.qkv.')] = joined
    return official, prefix, left


def to_transformers(official: Mapping[str, Tensor], prefix: str = '') -> dict[str, Tensor]:
    """The inverse of :func:`from_transformers`.

    Args:
        official: Weights by the official names.
        prefix: What to put before the names of the backbone.
    """
    parts: dict[str, Tensor] = {}
    for key, value in official.items():
        if '.attn.qkv.' in key:
            names = [key.replace('.qkv.', f'.{part}.') for part in _PARTS]
            parts |= dict(zip(names, value.chunk(3), strict=True))
        else:
            parts[key] = value
    theirs = {}
    for key, value in parts.items():
        name = rename(key, TRANSFORMERS)
        theirs[rename(key, _CLASSIFIER) or key if name is None else prefix + name] = value
    return theirs
