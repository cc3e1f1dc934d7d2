"""Settings that modules of this project do not have are refused."""

import inspect

from mmengine.config import Config
from mmengine.registry import DATASETS, HOOKS, LOOPS, METRICS, MODELS

from mmgreen.errors import UserError

from .nodes import walk

_REGISTRIES = (MODELS, DATASETS, HOOKS, LOOPS, METRICS)


def check_settings(cfg: Config) -> None:
    """Refuse settings that modules of this project do not have."""
    for path, node in walk(cfg._cfg_dict):
        kind = node.get('type')
        if not isinstance(kind, str) or not kind.startswith('mmgreen.'):
            continue
        module = next((m for r in _REGISTRIES if (m := r.get(kind))), None)
        if module is None:
            raise UserError(f"{path}: there is no '{kind}'")
        settings = _settings(module)
        for key in node:
            if key not in settings and key not in ('type', '_scope_'):
                raise UserError(
                    f"{path}: {kind} has no setting '{key}'; it has {', '.join(sorted(settings))}"
                )


def _settings(module: type) -> set[str]:
    """Names of the arguments of a class, those it hands on to its bases included."""
    names: set[str] = set()
    for base in module.__mro__:
        if '__init__' in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
            if not any(p.kind == p.VAR_KEYWORD for p in parameters):
                break
    return names - {'self'}
