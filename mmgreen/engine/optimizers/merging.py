"""Parameter groups of equal settings are one: a handful of kernels a step instead of thousands."""

from typing import Any

# Names and places of single parameters, which an optimizer does not need.
_OF_ONE = ('params', 'param_name', 'layer_id')


def merge_groups(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Merge groups whose settings are equal, in the order of the first of each.

    Optimizers work group by group, and mmengine makes one for each parameter
    where weight decay or learning rate differ between any. Also merges those of
    an optimizer's state dict, whose parameters are numbers.

    Args:
        groups: As for a :class:`torch.optim.Optimizer`; not changed.
    """
    merged: dict[str, dict[str, Any]] = {}
    for group in groups:
        settings = {key: value for key, value in group.items() if key not in _OF_ONE}
        key = repr(sorted(settings.items()))
        if key not in merged:
            merged[key] = dict(settings, params=[])
        merged[key]['params'] += group['params']
    return list(merged.values())


def merge_checkpoint(checkpoint: dict[str, Any], num_groups: int) -> None:
    """Let a checkpoint of one group for each parameter go on with merged ones.

    Versions before 0.2 saved such. Checkpoints that have the groups already are
    left as they are.

    Args:
        checkpoint: Changed in place: ``optimizer`` and ``param_schedulers``.
        num_groups: Groups of the optimizer that goes on.
    """
    state = checkpoint.get('optimizer') or {}
    old = state.get('param_groups') or []
    merged = merge_groups(old)
    if len(old) == num_groups or len(merged) != num_groups:
        return
    order = [number for group in merged for number in group['params']]
    first = [next(i for i, g in enumerate(old) if m['params'][0] in g['params']) for m in merged]
    new = {number: place for place, number in enumerate(order)}
    state['state'] = {new[number]: value for number, value in state['state'].items()}
    for group in merged:
        group['params'] = [new[number] for number in group['params']]
    state['param_groups'] = merged
    for scheduler in checkpoint.get('param_schedulers') or []:
        for key, values in scheduler.items():
            if isinstance(values, list) and len(values) == len(old):  # one for each group
                scheduler[key] = [values[i] for i in first]
