"""The dicts of a config, wherever they are in it."""

from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.config import ConfigDict


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
