"""The dicts of a config, wherever they are in it."""

from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log


def walk(node: Any, path: str = '') -> Iterator[tuple[str, ConfigDict]]:
    """Every dict of a config, with the dotted path to it."""
    if isinstance(node, dict):
        yield path, node
        items: Iterable[tuple[Any, Any]] = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    else:
        return
    for key, value in items:
        yield from walk(value, f'{path}.{key}' if path else str(key))


def innermost(dataset: ConfigDict, path: str = 'dataset') -> tuple[str, ConfigDict]:
    """A dataset without the wrappers around it, such as ``RepeatDataset``, and the path to it."""
    while 'dataset' in dataset:
        path, dataset = f'{path}.dataset', dataset.dataset
    return path, dataset


def parts(dataset: ConfigDict, path: str = 'dataset') -> Iterator[tuple[str, ConfigDict]]:
    """Each dataset of one that may hold several, as ``ConcatDataset`` does, as :func:`innermost` has it."""
    path, dataset = innermost(dataset, path)
    if 'datasets' not in dataset:
        yield path, dataset
        return
    for i, part in enumerate(dataset.datasets):
        yield from parts(part, f'{path}.datasets.{i}')


def around_backbone(model: ConfigDict) -> ConfigDict:
    """The part of a model that has the backbone: the detector that a semi-supervised one holds twice."""
    return model.detector if 'detector' in model else model


def set_num_classes(cfg: Config, number: int) -> None:
    """Let every part of a model have the number of classes that the data have, and say which.

    Args:
        cfg: Changed in place.
        number: Number of classes.
    """
    changed = [
        path
        for part in ('model', 'data_preprocessor')
        for path, node in walk(cfg.get(part), part)
        if count_classes(node, number)
    ]
    if changed:
        print_log(
            f'{number} {"category" if number == 1 else "categories"}, from your data: {", ".join(changed)}'
        )


def count_classes(node: ConfigDict, number: int) -> bool:
    """Let one part of a model have a number of classes; whether it had another one.

    Heads of panoptic segmentation (Mask2Former) count things, where they have no stuff, and weigh each.
    """
    things = node.get('num_stuff_classes') == 0
    key = 'num_things_classes' if things else 'num_classes'
    if node.get(key) in (None, number):
        return False
    weights = node.get('loss_cls', {}).get('class_weight') if things else None
    if isinstance(weights, list) and len(weights) == node[key] + 1:
        node.loss_cls.class_weight = [weights[0]] * number + weights[-1:]
    node[key] = number
    return True
