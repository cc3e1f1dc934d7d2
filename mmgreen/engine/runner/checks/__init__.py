"""What a run would stumble over is said before anything is built, written or changed."""

from dataclasses import dataclass

from mmengine.config import Config

from mmgreen.checkpoints import read_checkpoint
from mmgreen.errors import UserError

from ..device import say_device
from .data import check_datasets, order_of_classes
from .settings import check_settings, warn_of_slips
from .start import check_start, check_work_dir

__all__ = ['Findings', 'check_run']


@dataclass(frozen=True)
class Findings:
    """What the data say, and a config then must.

    Attributes:
        num_classes: Number of categories; None where the data have none.
        ann_files: The annotation file of a split, for its evaluator.
        classes: Names of the test data's categories in the order that the model knows; None
            where they are in that order anyway.
    """

    num_classes: int | None
    ann_files: dict[str, str]
    classes: tuple[str, ...] | None = None


#: Strategies that leave the model whole in each process.
_WHOLE = ('DDPStrategy', 'SingleDeviceStrategy')


def check_run(cfg: Config, mode: str, known: tuple[tuple[str, ...], str] | None = None) -> Findings:
    """Check a config; nothing is changed.

    Args:
        cfg: The config as it was read.
        mode: ``'train'`` or ``'test'``.
        known: Names of the categories that the tested model knows, and the file that they are
            from; by default those of the checkpoint.

    Raises:
        UserError: If a dataset is not there, its categories disagree, a module of this project is
            given a setting that it does not have, the checkpoint to start from does not fit, or
            there is nothing to test.
    """
    if mode == 'test' and not cfg.get('test_dataloader'):
        raise UserError(f'{cfg.filename} has no test_dataloader: there is nothing to test')
    strategy = (cfg.get('strategy') or {}).get('type', 'DDPStrategy')
    wrapper = str((cfg.get('model_wrapper_cfg') or {}).get('type'))
    for key, value, is_split, whole in (
        ('strategy', strategy, strategy not in _WHOLE, _WHOLE[0]),
        ('model_wrapper_cfg', wrapper, 'FullySharded' in wrapper, 'MMDistributedDataParallel'),
    ):
        if is_split:
            raise UserError(
                f'{cfg.filename} splits the model over processes ({key}.type {value}), which the '
                f'checks and checkpoints of this project do not know: set {key}.type to {whole}'
            )
    check_settings(cfg)
    warn_of_slips(cfg)
    splits = ('train', 'val') if mode == 'train' else ('test',)
    num_classes, ann_files = check_datasets(cfg, [s for s in splits if cfg.get(f'{s}_dataloader')])
    classes = None
    if mode == 'train':
        check_start(cfg)
        check_work_dir(cfg.work_dir)
        _check_repeats(cfg)
    else:
        known = known or _classes_of_checkpoint(cfg)
        classes = known and order_of_classes(cfg, *known)
    say_device(cfg)
    return Findings(num_classes, ann_files, classes)


def _classes_of_checkpoint(cfg: Config) -> tuple[tuple[str, ...], str] | None:
    """Names of the categories that a checkpoint knows, if it does, and the checkpoint."""
    if not cfg.get('load_from'):
        return None
    meta = read_checkpoint(cfg.load_from).get('meta') or {}
    names = (meta.get('dataset_meta') or {}).get('classes')
    return (tuple(names), cfg.load_from) if names else None


def _check_repeats(cfg: Config) -> None:
    loader = cfg.train_dataloader
    repeats = loader.get('repeats', 1)
    if not isinstance(repeats, int) or repeats < 1 or loader.batch_size % repeats:
        raise UserError(
            f'train_dataloader.repeats {repeats} does not divide train_dataloader.batch_size '
            f'{loader.batch_size}: every image of a batch has as many crops'
        )
