"""How a config trains: precision, rate, and where it goes on."""

from mmengine.config import Config

from mmgreen.errors import UserError


def use_amp(cfg: Config) -> None:
    """Train in mixed precision.

    Args:
        cfg: Changed in place.
    """
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def scale_rate(cfg: Config) -> None:
    """Scale the learning rate with the total batch size.

    Args:
        cfg: Changed in place.

    Raises:
        UserError: If the config does not say which batch size its rate is for.
    """
    if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
        raise UserError(f'{cfg.filename} has no auto_scale_lr.base_batch_size to scale from')
    cfg.auto_scale_lr.enable = True


def resume_from(cfg: Config, checkpoint: str) -> None:
    """Go on from a checkpoint.

    Args:
        cfg: Changed in place.
        checkpoint: A file, or ``'auto'`` for the last one in the work dir, if there is one.
    """
    if checkpoint == 'auto':
        cfg.resume = 'auto'
    else:
        cfg.resume, cfg.load_from = True, checkpoint
