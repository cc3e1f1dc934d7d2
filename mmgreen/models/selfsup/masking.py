"""Masks by the name that configs give them."""

import inspect
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmgreen.errors import UserError
from mmgreen.images import read_image
from mmgreen.registry import FUNCTIONS
from mmgreen.sparse import block_mask, grid_mask, random_mask, weighted_mask

#: (height, width, mask_ratio, num_masks, generator) to masks, see :mod:`mmgreen.sparse.masking`.
Masking = Callable[..., Tensor]

MASKINGS: dict[str, Masking] = dict(random=random_mask, block=block_mask, grid=grid_mask)
for _name, _masking in MASKINGS.items():
    FUNCTIONS.register_module(_name, module=_masking)


def build_masking(masking: str | dict | Masking) -> Masking:
    """A function that draws masks, from its config.

    Args:
        masking: A callable; or ``'random'``, ``'block'``, ``'grid'`` or the name of a
            function that is registered in :data:`mmgreen.registry.FUNCTIONS` or mmengine's;
            or a dict of such a ``type`` and more arguments for it;
            ``dict(type='saliency', file=FILE)`` reads a map (:func:`read_saliency`).

    Raises:
        UserError: If there is no such function, or no such file.
    """
    if callable(masking):
        return masking
    settings = dict(type=masking) if isinstance(masking, str) else dict(masking)
    name = settings.pop('type', None)
    if name == 'saliency':
        if settings.keys() != {'file'}:
            raise UserError(f"masking 'saliency' takes a file and nothing else, not {settings}")
        return partial(_saliency_mask, saliency=read_saliency(settings['file']))
    function = FUNCTIONS.get(name) if name else None
    if function is None:
        raise UserError(
            f"masking '{name}' is unknown: choose from {', '.join(MASKINGS)}, saliency, or register "
            'a function of that name in mmgreen.registry.FUNCTIONS'
        )
    try:
        inspect.signature(function).bind_partial(**settings)
    except TypeError as error:
        raise UserError(f"masking '{name}' does not take these settings: {error}") from error
    return partial(function, **settings)


def read_saliency(file: str | os.PathLike) -> Tensor:
    """How likely each place of an image is to be hidden, (height, width), from 0 upwards.

    Args:
        file: An image, whose brightness counts, or a NumPy array (``.npy``) of two
            dimensions: a value for each unit, or for each pixel of a training image.

    Raises:
        UserError: If it is missing, unreadable, of other dimensions or negative anywhere.
    """
    if not os.path.isfile(file):
        raise UserError(f'saliency map {file} does not exist')
    if str(file).endswith('.npy'):
        try:
            saliency = np.load(file, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise UserError(f'saliency map {file} cannot be read: {error}') from error
    else:
        saliency = read_image(file).mean(2)
    if saliency.ndim != 2 or not (saliency >= 0).all() or not saliency.any():
        raise UserError(
            f'saliency map {file} of shape {saliency.shape} must have two dimensions and values '
            'from 0 upwards, not all of them 0'
        )
    return torch.from_numpy(saliency.astype(np.float64))


def _saliency_mask(height: int, width: int, *args: Any, saliency: Tensor) -> Tensor:
    """:func:`weighted_mask` by a map of the units or of their pixels."""
    rows, cols = saliency.shape
    if rows % height or cols % width or rows // height != cols // width:
        raise UserError(
            f'the saliency map of {rows}x{cols} does not go with {height}x{width} units: it needs '
            'a value for each unit, or for each pixel of the image'
        )
    weights = F.avg_pool2d(saliency[None, None], rows // height)[0, 0]
    return weighted_mask(height, width, *args, weights=weights.float())
