"""Pure-Python configs, which name modules by their classes."""

import mmengine.registry
from mmengine.config import Config
from mmengine.registry import Registry

from .nodes import walk


def name_types(cfg: Config) -> None:
    """Give every module that a config names by its class the name by which it is registered.

    So ``type=CocoDataset`` and ``type='CocoDataset'`` are the same to all that compares names. A
    class that is in no registry stays as it is. Where the config has no default scope, that of
    its model becomes it, which is mmpretrain's for this project's own, as in its other configs.

    Args:
        cfg: Changed in place.
    """
    nodes = [node for _, node in walk(cfg._cfg_dict) if callable(node.get('type'))]
    if not nodes:
        return
    names = _registered()
    if not cfg.get('default_scope'):
        scope, _ = names.get((cfg.get('model') or {}).get('type'), (None, None))
        cfg.default_scope = 'mmpretrain' if scope == 'mmgreen' else scope
    # Root registries are known without a scope.
    near = (cfg.default_scope, 'mmengine', 'mmcv')
    for node in nodes:
        scope, name = names.get(node.type, (None, node.type))
        node.type = name if scope is None or scope in near else f'{scope}.{name}'


def _registered() -> dict[object, tuple[str, str]]:
    """Scope and name of every module that is registered; the first name of several."""
    found: dict[object, tuple[str, str]] = {}
    waiting = [each for each in vars(mmengine.registry).values() if isinstance(each, Registry)]
    while waiting:
        registry = waiting.pop()
        waiting += registry.children.values()
        for name, module in registry.module_dict.items():
            found.setdefault(module, (registry.scope, name))
    return found
