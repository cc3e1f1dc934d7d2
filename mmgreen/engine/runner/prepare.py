"""A config made ready for a run."""

from mmengine.config import Config

from .checks import check_run
from .complete import complete


def prepare_run(cfg: Config, mode: str, known: tuple[tuple[str, ...], str] | None = None) -> None:
    """Check a config before anything is built or written, and complete it.

    Args:
        cfg: Changed in place, if it is sound.
        mode: ``'train'`` or ``'test'``.
        known: See :func:`~mmgreen.engine.runner.checks.check_run`.

    Raises:
        UserError: See :func:`~mmgreen.engine.runner.checks.check_run`.
    """
    complete(cfg, mode, check_run(cfg, mode, known))
