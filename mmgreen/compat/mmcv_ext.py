"""A stand-in for the compiled module ``mmcv._ext``.

mmdet imports ``mmcv.ops``, which imports ``mmcv._ext``; a plain ``pip install``
of mmcv does not build it. :mod:`mmgreen.compat.operators` has what detectors need of
it. The finder below stands last on ``sys.meta_path``, so a compiled module, where there
is one, is found first.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import re
import sys
from collections.abc import Callable
from types import ModuleType

from mmgreen.errors import UserError

NAME = 'mmcv._ext'


#: Who needs the operators that nothing stands in for, by what is in their names.
_NEEDED_BY = {
    'deform_roi_pool': 'deformable RoI pooling (configs/dcn*/*dpool* of mmdet) needs',
    'rotated|quadri|convex|polygon': 'detectors of oriented boxes (mmrotate) need',
    'ball_query|point|three_|knn|voxel|indice|iou3d|chamfer|assign_score|roiaware': (
        'detectors in point clouds (mmdet3d) need'
    ),
    'upfirdn|bias_act|relu': 'image generation (mmagic) needs',
    'contour|pixel_group|bezier': 'detectors of text (mmocr) need',
    'psamask': 'PSANet (mmsegmentation) needs',
    'correlation': 'optical flow needs',
}


def _missing(name: str) -> Callable:
    who = next(
        (who for part, who in _NEEDED_BY.items() if re.search(part, name)), 'the model needs'
    )

    def operator(*args, **kwargs):
        raise UserError(
            f"{who} the operator '{name}', which is compiled code of mmcv and has no stand-in: "
            'build mmcv from source'
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
