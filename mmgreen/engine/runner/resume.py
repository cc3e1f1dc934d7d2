"""Where training goes on: the newest checkpoint that is sound and of this model."""

import os
from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import (
    all_gather_object,
    broadcast_object_list,
    is_main_process,
)

from mmgreen.checkpoints import check_fit, read_checkpoint
from mmgreen.errors import UserError

from .model import build_model

#: Environment variable that launchers set to the time of the first start, seconds since 1970.
LAUNCHED = 'MMGREEN_LAUNCHED'

_PARTS = ('meta', 'state_dict', 'optimizer', 'message_hub')


def settle_start(cfg: Config, restartable: bool = False) -> list[str]:
    """Decide what a training run goes on from, and its seed, for all its processes.

    With ``resume='auto'``, or with ``resume`` and no ``load_from``, that is the
    checkpoint that ``last_checkpoint`` in the work dir names, or else the newest
    one that can be resumed. Where there is none, training starts as if ``resume``
    was not set.

    Args:
        cfg: Changed in place: ``resume``, ``load_from``, ``randomness.seed``.
        restartable: Go on, too, where torchrun or Slurm has started the run
            again by the same command, but only from what it has saved itself.

    Returns:
        What the log should say of checkpoints that were passed over.

    Raises:
        UserError: If the checkpoint that ``load_from`` names cannot be resumed.
    """
    resume, given = cfg.get('resume'), cfg.get('load_from')
    named = given if resume != 'auto' else None
    anything = resume and not named
    again, launched = _launches() if restartable else (False, 0)
    passed_over: list[str] = []
    found = [None, cfg.get('randomness', {}).get('seed')]
    if is_main_process():
        path, checkpoint = None, None
        if anything or again:
            path, checkpoint = _newest(cfg, 0 if anything else launched, passed_over)
        if not path and resume and named:
            path, checkpoint = named, _read_resumable(named)
        if checkpoint:
            seed = checkpoint['meta'].get('seed')
            found = [path, found[1] if seed is None else seed]
    broadcast_object_list(found)
    path, seed = found
    cfg.resume = path is not None
    cfg.load_from = path or given
    cfg.setdefault('randomness', {})
    # Zero where nothing says another one, so that two runs differ by what is compared.
    cfg.randomness.seed = 0 if seed is None else seed
    if passed_over:
        passed_over.append(f'Going on from {path} instead')
    return passed_over


def _launches() -> tuple[bool, float]:
    """Whether ``torchrun`` or Slurm has started this run before, and when it was launched.

    Seconds since 1970, or 0 where it is not known; less a minute, since the clock
    of the disk may be another one. A machine that takes the place of another one
    knows neither, so all are asked.
    """
    counts = (os.environ.get('TORCHELASTIC_RESTART_COUNT'), os.environ.get('SLURM_RESTART_COUNT'))
    again = any(count not in (None, '', '0') for count in counts)
    launched = float(os.environ.get(LAUNCHED) or 0)
    known = all_gather_object((again, launched))
    return any(again for again, _ in known), min(launched for _, launched in known) - 60


def _newest(cfg: Config, since: float, passed_over: list[str]) -> tuple[str | None, dict | None]:
    model = None
    for path in _candidates(Path(cfg.work_dir), since):
        try:
            checkpoint = _read_resumable(str(path))
            model = model or build_model(cfg)
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


def _candidates(work_dir: Path, since: float) -> Iterator[Path]:
    """The checkpoint that was saved last, then all others since a time, newest first."""
    pointer = work_dir / 'last_checkpoint'
    try:
        last = Path(pointer.read_text().strip()) if pointer.stat().st_mtime >= since else None
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
        and path.stat().st_mtime >= since
    }
    for path in sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True):
        if not last or path != last.resolve():
            yield path


def _read_resumable(path: str) -> dict:
    checkpoint = read_checkpoint(path)
    missing = [part for part in _PARTS if part not in checkpoint]
    if missing:
        raise UserError(
            f'checkpoint {path} cannot be resumed, since it has no {", ".join(missing)}: a '
            'new run can start from it (load_from, or model.backbone.init_cfg.checkpoint)'
        )
    return checkpoint
