"""Config files, with what the command line changes in them."""

import os
import os.path as osp
from typing import Any

from mmengine.config import Config, ConfigDict

from mmgreen.errors import UserError

from .nodes import walk
from .types import name_types
from .variables import refuse_variables


def load_config(
    filename: str | os.PathLike | Config,
    options: dict | None = None,
    work_dir: str | os.PathLike | None = None,
) -> Config:
    """Read a config file and apply what the command line says.

    Args:
        filename: Config file, or ``package::path`` of one that an installed
            OpenMMLab package ships; or a config, of which a copy is made.
        options: ``--cfg-options``. A new ``data_root`` reaches every dataset
            and evaluator that used the old one.
        work_dir: Folder for what a run writes; by default the one of the
            config, or ``work_dirs/`` and the config's name.

    Raises:
        UserError: If the file is missing or cannot be read, or an option would change nothing.
    """
    given = filename if isinstance(filename, Config) else None
    filename = (given.filename or 'config') if given else str(filename)
    shipped = '::' in filename
    if not given and not shipped and not osp.isfile(filename):
        raise UserError(f'config file {filename} does not exist')
    try:
        if given:
            cfg = given.copy()
        elif shipped:
            cfg = Config.fromstring(f'_base_ = {filename!r}', '.py')
        else:
            cfg = Config.fromfile(filename)
    except ModuleNotFoundError as error:
        raise UserError(
            f'config file {filename} needs a package that is not installed ({error}): '
            'pip install -r requirements/optional.txt'
        ) from error
    except Exception as error:  # a config is a program, and can fail in any way
        raise UserError(f'config file {filename} cannot be read: {error}') from error
    name_types(cfg)
    refuse_variables(cfg, filename, options or {})
    old_root = cfg.get('data_root')
    for key in options or {}:
        _open_path(cfg, key.split('.')[:-1])
    try:
        cfg.merge_from_dict(options or {})
    except (KeyError, TypeError, IndexError) as error:
        raise UserError(f'--cfg-options do not fit the config {filename}: {error}') from error
    if 'data_root' in (options or {}) and old_root:
        for _, node in walk(cfg._cfg_dict):
            for key in ('data_root', 'ann_file', 'images'):
                value = node.get(key)
                below = _below(value, old_root) if isinstance(value, str) else None
                if below is not None:
                    node[key] = osp.join(cfg.data_root, below)
    # mmengine marks what is inherited from another library with its scope. Where
    # that is the scope of the run anyway, the mark says nothing, and the
    # dataloader's collate_fn would take it for an argument. Configs of this project
    # name its own modules by their prefix, and all others by the scope of the run.
    for _, node in walk(cfg._cfg_dict):
        if node.get('_scope_') in ('mmgreen', cfg.get('default_scope')):
            node.pop('_scope_', None)
    cfg.work_dir = (
        (work_dir and str(work_dir))
        or cfg.get('work_dir')
        or osp.join('work_dirs', osp.splitext(osp.basename(filename))[0])
    )
    return cfg


def _below(path: str, folder: str) -> str | None:
    """A path from a folder; ``None`` where it is not that folder or below it."""
    folder = folder.rstrip('/') + '/'
    return path[len(folder) :] if f'{path}/'.startswith(folder) else None


def _open_path(cfg: Config, parents: list[str]) -> None:
    """Let a setting be made below one that is None, as ``init_cfg.checkpoint`` where there is no
    ``init_cfg``."""
    node: Any = cfg._cfg_dict
    for key in parents:
        if not isinstance(node, dict) or key not in node:
            return
        if node[key] is None:
            node[key] = ConfigDict()
        node = node[key]
