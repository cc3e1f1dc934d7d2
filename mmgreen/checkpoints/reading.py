"""Reading checkpoints without running the code they may hold."""

import argparse
import os
import pickle
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import mmengine.runner.checkpoint
import torch
from mmengine.runner.checkpoint import CheckpointLoader
from safetensors import SafetensorError
from safetensors.torch import load_file

from mmgreen.errors import UserError

from .finding import WEIGHTS, find_checkpoint

#: Environment variable that allows pickled code when it is set to 1. The tools
#: set it on ``--allow-pickle``; worker processes inherit it.
ALLOW_PICKLE = 'MMGREEN_ALLOW_PICKLE'
_HUB = 'hf://'


def read_checkpoint(filename: str, map_location: Any = 'cpu') -> dict[str, Any]:
    """Read a checkpoint file, tensors and plain values only.

    Args:
        filename: A file on this machine, of torch or safetensors; a folder of a run, see
            :func:`find_checkpoint`; a folder of timm's layout, with ``model.safetensors``; or such a one
            of the Hugging Face Hub, ``hf://OWNER/NAME`` or ``hf://OWNER/NAME@REVISION``, which is
            downloaded once.
        map_location: See :func:`torch.load`.

    Returns:
        The dict that was saved.

    Raises:
        UserError: If the file is missing, cannot be read as a checkpoint, is
            not a dict, or holds pickled objects and ``MMGREEN_ALLOW_PICKLE``
            is not 1.
    """
    filename = _from_hub(filename) if filename.startswith(_HUB) else os.path.expanduser(filename)
    filename = find_checkpoint(filename)
    if os.path.isdir(filename):
        filename = os.path.join(filename, WEIGHTS)
    if not os.path.isfile(filename):
        raise UserError(f'checkpoint {filename} does not exist')
    if filename.endswith('.safetensors'):
        try:
            return load_file(filename, device=str(map_location))
        except (SafetensorError, OSError) as error:
            raise UserError(f'checkpoint {filename} is truncated or not a checkpoint') from error
    return _load(filename, filename, map_location)


def _from_hub(address: str) -> str:
    """The file of a Hub's address on this machine, downloaded where it is not there.

    Raises:
        UserError: If there is no such repository or file, or the Hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download  # a second, for those who ask for it

    repository, _, revision = address.removeprefix(_HUB).partition('@')
    try:
        return str(hf_hub_download(repository, WEIGHTS, revision=revision or None))
    except Exception as error:  # of the Hub's package, and of the network
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f'{WEIGHTS} of {address} cannot be read: {first}') from error


def _load(file: Any, name: str, map_location: Any) -> dict[str, Any]:
    trusted = os.environ.get(ALLOW_PICKLE) == '1'
    try:
        # Other projects keep their command line beside the weights; it is inert.
        with torch.serialization.safe_globals([argparse.Namespace]):
            checkpoint = torch.load(file, map_location=map_location, weights_only=not trusted)
    except pickle.UnpicklingError as error:
        if 'weights_only' not in str(error).lower() and 'WeightsUnpickler' not in str(error):
            raise UserError(f'checkpoint {name} is truncated or not a checkpoint') from error
        raise UserError(
            f'checkpoint {name} holds pickled objects besides weights, which can run code when '
            'they are read: if you trust where it comes from, pass --allow-pickle '
            f'(or set {ALLOW_PICKLE}=1)'
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f'checkpoint {name} is truncated or not a checkpoint') from error
    if not isinstance(checkpoint, dict):
        raise UserError(f'checkpoint {name} holds no dict but a {type(checkpoint).__name__}')
    return checkpoint


def load_from_local(filename: str, map_location: Any = None) -> dict[str, Any]:
    """:func:`read_checkpoint` as mmengine's loader of local files.

    It serves ``load_from``, ``resume`` and ``init_cfg``.
    """
    return read_checkpoint(filename, map_location or 'cpu')


CheckpointLoader.register_scheme(prefixes=['', _HUB], loader=load_from_local, force=True)


def _load_stored(file: Any, map_location: Any = None) -> dict[str, Any]:
    name = file if isinstance(file, str | os.PathLike) else 'from a remote store'
    return _load(file, str(name), map_location or 'cpu')


def _load_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True
) -> dict[str, Any]:
    folder = Path(model_dir or Path(torch.hub.get_dir()) / 'checkpoints')
    path = folder / Path(urlparse(url).path).name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=progress)
    return read_checkpoint(str(path), map_location or 'cpu')


# Behind all other places that mmengine's loader knows (http, s3, petrel, pavi, torchvision,
# open-mmlab) stand these two, which fall back to, or begin with, running whatever code the file
# holds.
mmengine.runner.checkpoint._safe_torch_load = _load_stored
mmengine.runner.checkpoint.load_url = _load_url
