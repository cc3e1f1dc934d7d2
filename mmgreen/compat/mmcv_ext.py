"""A stand-in for the compiled module ``mmcv._ext``.

mmdet imports ``mmcv.ops``, which imports ``mmcv._ext``; a plain ``pip install``
of mmcv does not build it. :mod:`mmgreen.compat.operators` has what detectors need of
it. The finder below stands last on ``sys.meta_path``, so a compiled module, where there
is one, is found first.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from types import ModuleType

NAME = 'mmcv._ext'


def _missing(name: str) -> Callable:
    def operator(*args, **kwargs):
        raise NotImplementedError(
            f"the operator '{name}' needs mmcv's compiled operators, which this installation "
            'of mmcv does not have: build mmcv from source'
        )

    return operator


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and loads the stand-in."""

    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == NAME else None

    def exec_module(self, module: ModuleType) -> None:
        module.__doc__ = __doc__
        operators = importlib.import_module('mmgreen.compat.operators')  # imports torchvision
        for name in operators.__all__:
            setattr(module, name, getattr(operators, name))

        def missing(name: str) -> Callable:
            if name.startswith('__'):
                raise AttributeError(name)
            return _missing(name)

        vars(module)['__getattr__'] = missing


def install() -> None:
    """Offer the stand-in to imports of ``mmcv._ext`` that find no compiled module."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
