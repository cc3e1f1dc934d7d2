"""Whether weights are those of a model, one by one."""

import re
from collections.abc import Mapping
from typing import Any

from torch import nn

from mmgreen.errors import UserError

_DERIVED = re.compile(r'(relative_position_index|relative_coords_table|attn_mask)$')


def is_derived(name: str) -> bool:
    """Whether a tensor follows from the window size, so that none need be saved."""
    return _DERIVED.search(name) is not None


def check_fit(model: nn.Module, checkpoint: Mapping[str, Any], source: str, config: str) -> None:
    """Refuse a checkpoint whose weights are not those of a model, one by one.

    Args:
        model: Not wrapped.
        checkpoint: The checkpoint as it was read.
        source: What the message calls the checkpoint.
        config: What the message calls the config.

    Raises:
        UserError: If a weight is missing, left over, or of another shape.
    """
    wanted = {k: v.shape for k, v in model.state_dict().items() if not is_derived(k)}
    found = checkpoint.get('state_dict', checkpoint)
    found = {k.removeprefix('module.'): v for k, v in found.items() if not is_derived(k)}

    missing = [k for k in wanted if k not in found]
    left_over = [k for k in found if k not in wanted]
    shapes = [k for k in wanted if k in found and found[k].shape != wanted[k]]
    if missing or left_over or shapes:
        faults = {'missing': missing, 'left over': left_over, 'of another shape': shapes}
        differences = ', '.join(f'{len(v)} {k} (such as {v[0]})' for k, v in faults.items() if v)
        raise UserError(
            f'checkpoint {source} is of another architecture than the config {config}: '
            f'weights {differences}'
        )
