"""Where else a run logs to and draws."""

import os.path as osp
from collections.abc import Sequence
from importlib.util import find_spec

from mmengine.config import Config

from mmgreen.errors import UserError

#: mmengine's backend for each package.
BACKENDS = dict(tensorboard='TensorboardVisBackend', wandb='WandbVisBackend')


def log_to(cfg: Config, packages: Sequence[str]) -> None:
    """Send scalars and pictures of a run to other backends, too.

    Args:
        cfg: Changed in place.
        packages: Names of ``BACKENDS``.

    Raises:
        UserError: If a package is not installed, or the config has no visualizer.
    """
    for package in packages:
        if find_spec(package) is None:
            raise UserError(f'{package} is not installed: pip install {package}')
        if not cfg.get('visualizer'):
            raise UserError(f'{cfg.filename} has no visualizer, so nothing can be logged')
        backends = list(cfg.visualizer.get('vis_backends') or [])
        if BACKENDS[package] not in [backend['type'] for backend in backends]:
            cfg.visualizer.vis_backends = [*backends, dict(type=BACKENDS[package])]


def show_in(cfg: Config, folder: str) -> None:
    """Let a test draw its predictions into a folder.

    Args:
        cfg: Changed in place.
        folder: Folder; made where it is not there.

    Raises:
        UserError: If the config has no hook that draws.
    """
    hook = (cfg.get('default_hooks') or {}).get('visualization')
    if hook is None:
        raise UserError(f'{cfg.filename} has no visualization hook, so no --show-dir')
    detection = hook.type.split('.')[-1] == 'DetVisualizationHook'
    hook['draw' if detection else 'enable'] = True
    hook['test_out_dir' if detection else 'out_dir'] = osp.abspath(folder)
