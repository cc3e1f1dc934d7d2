"""Settings that nothing reads are found: those of this project's modules, and top-level keys."""

import difflib
import inspect
import logging
from importlib.util import find_spec

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import (
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    MODEL_WRAPPERS,
    MODELS,
    TASK_UTILS,
    TRANSFORMS,
    VISUALIZERS,
)
from mmengine.runner import Runner

from mmgreen.config import walk
from mmgreen.errors import UserError

_REGISTRIES = (
    MODELS,
    MODEL_WRAPPERS,
    DATASETS,
    HOOKS,
    LOOPS,
    METRICS,
    TRANSFORMS,
    TASK_UTILS,
    VISUALIZERS,
)

#: Top-level keys that a run reads: a runner's arguments, and what it looks up by itself.
_READ = {
    *inspect.signature(Runner.__init__).parameters,
    *('custom_imports', 'find_unused_parameters', 'model_wrapper_cfg', 'runner_type'),
    *('strategy', 'compile', 'sync_bn', 'tta_model'),
}
#: Variables of OpenMMLab's configs that are called much like one of them.
_VARIABLES = {'train_dataset', 'val_dataset', 'test_dataset', 'tta_cfg', 'vis_backends'}
#: How alike a top-level key must be to a known one to be taken for a slip.
_ALIKE = 0.85
#: Modules of mmdet that import their package when they are built.
_PANOPTIC = ('LoadPanopticAnnotations', 'CocoPanopticMetric')


def warn_of_slips(cfg: Config) -> None:
    """Warn of top-level keys that look like one that is read, and are not.

    A config may have variables of any name, so an unknown key alone is no fault.
    """
    for key in cfg.keys() - _READ - _VARIABLES:
        near = difflib.get_close_matches(key, _READ, 1, _ALIKE)
        if near:
            print_log(
                f"{cfg.filename}: nothing reads the key '{key}'; did you mean '{near[0]}'?",
                logger='current',
                level=logging.WARNING,
            )


def check_settings(cfg: Config) -> None:
    """Refuse settings that modules of this project do not have, and a package that is missing."""
    for path, node in walk(cfg._cfg_dict):
        kind = node.get('type')
        if kind in _PANOPTIC and find_spec('panopticapi') is None:
            raise UserError(
                f'{path}: {kind} needs a package that is not on PyPI: pip install '
                'git+https://github.com/cocodataset/panopticapi.git'
            )
        if not isinstance(kind, str) or not kind.startswith('mmgreen.'):
            continue
        module = next((m for r in _REGISTRIES if (m := r.get(kind))), None)
        if module is None:
            raise UserError(f"{path}: there is no '{kind}'")
        settings = _settings(module)
        for key in node:
            if key not in settings and key not in ('type', '_scope_', '_delete_'):
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
