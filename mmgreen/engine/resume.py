"""Where training goes on: the newest checkpoint that is sound and of this model."""

import os
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process, sync_random_seed
from mmengine.registry import MODELS, DefaultScope
from torch import nn

from mmgreen.errors import UserError

from .checkpoint import check_fit, read_checkpoint

_PARTS = ('meta', 'state_dict', 'optimizer', 'message_hub')


def restarted() -> bool:
    """Whether ``torchrun`` or Slurm has started this run before."""
    counts = (os.environ.get('TORCHELASTIC_RESTART_COUNT'), os.environ.get('SLURM_RESTART_COUNT'))
    return any(count not in (None, '', '0') for count in counts)


def settle_start(cfg: Config) -> list[str]:
    """Decide what a training run goes on from, and its seed, for all its processes.

    With ``resume='auto'``, or with ``resume`` and no ``load_from``, that is the
    checkpoint that ``last_checkpoint`` in the work dir names, or else the newest
    one that can be resumed. Where there is none, training starts as if ``resume`` was not set.

    Args:
        cfg: Changed in place: ``resume``, ``load_from``, ``randomness.seed``.

    Returns:
        What the log should say of checkpoints that were passed over.

    Raises:
        UserError: If the checkpoint that ``load_from`` names cannot be resumed.
    """
    resume, given = cfg.get('resume'), cfg.get('load_from')
    passed_over: list[str] = []
    found = [None, cfg.get('randomness', {}).get('seed')]
    if resume and is_main_process():
        if given and resume != 'auto':
            found[0], checkpoint = given, _read_resumable(given)
        else:
            found[0], checkpoint = _newest(cfg, passed_over)
        if checkpoint:
            seed = checkpoint['meta'].get('seed')
            found[1] = found[1] if seed is None else seed
    broadcast_object_list(found)
    path, seed = found
    if resume:
        cfg.resume = path is not None
        cfg.load_from = path or given
    cfg.setdefault('randomness', {})
    cfg.randomness.seed = sync_random_seed() if seed is None else seed
    if passed_over:
        passed_over.append(f'Going on from {path} instead')
    return passed_over


def _newest(cfg: Config, passed_over: list[str]) -> tuple[str | None, dict | None]:
    model = None
    for path in _candidates(Path(cfg.work_dir)):
        try:
            checkpoint = _read_resumable(str(path))
            model = model or _build_model(cfg)
            check_fit(model, checkpoint, str(path), cfg.filename or 'of this run')
        except UserError as error:
            passed_over.append(f'Passed over: {error}')
        else:
            return str(path), checkpoint
    if passed_over:
        raise UserError(
            f'no checkpoint in {cfg.work_dir} can be resumed: start again with another --work-dir '
            f'({"; ".join(passed_over)})'
        )
    return None, None


def _candidates(work_dir: Path) -> Iterator[Path]:
    """The checkpoint that was saved last, then all others, newest first."""
    try:
        last = Path((work_dir / 'last_checkpoint').read_text().strip())
    except (OSError, UnicodeDecodeError):
        last = None
    if last and last.name:
        yield last
    folders = {work_dir.resolve()} | ({last.parent.resolve()} if last and last.name else set())
    paths = {
        path
        for folder in folders
        for path in folder.glob('*.pth')
        if not path.name.startswith('best_')  # without the optimizer
    }
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        if not last or path != last.resolve():
            yield path


def _read_resumable(path: str) -> dict:
    checkpoint = read_checkpoint(path)
    missing = [part for part in _PARTS if part not in checkpoint]
    if missing:
        raise UserError(
            f'checkpoint {path} cannot be resumed, since it has no {", ".join(missing)}: it can '
            'be a start of a new run (load_from, or model.backbone.init_cfg.checkpoint)'
        )
    return checkpoint


def _build_model(cfg: Config) -> nn.Module:
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmpretrain')):
        parts = cfg.model.copy()
        if 'data_preprocessor' not in parts and cfg.get('data_preprocessor'):
            parts['data_preprocessor'] = cfg.data_preprocessor
        return MODELS.build(parts)
