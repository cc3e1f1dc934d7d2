"""A batch as large as a device holds, found by trying."""

import gc
import logging
import os
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import all_reduce
from mmengine.logging import print_log

from mmgreen.config import scale_schedules, set_steps

from .pace import try_steps
from .processes import join_processes

#: What a config has in the place of a number.
AUTO = 'auto'
# Images a step of each process, where no ``auto_scale_lr.base_batch_size`` says another number.
_USUAL = 16
# Steps that a size is tried for, and the part of a device's memory that they may take: images of others are larger.
_TRIED, _PART = 4, 0.9


def find_batch_size(cfg: Config) -> tuple[int, int] | None:
    """Find a batch that fits, where a config asks for it by ``train_dataloader.batch_size='auto'``.

    A step has ``auto_scale_lr.base_batch_size`` images in each process, or 16. Where a GPU does not hold them, equal
    parts are tried, ever smaller ones, for some steps that leave nothing behind. Without a GPU they are taken as they
    are.

    Args:
        cfg: As :func:`~mmgreen.config.load_config` gives it, with where its data are; left as it is.

    Returns:
        Images that are computed together, the same number in all processes, and in how many such parts a step is;
        None where the config has a number.

    Raises:
        UserError: If the run cannot be run.
        torch.OutOfMemoryError: If not even one image fits.
    """
    loader: Any = cfg.get('train_dataloader') or {}
    if loader.get('batch_size') != AUTO:
        return None
    total = (cfg.get('auto_scale_lr') or {}).get('base_batch_size') or _USUAL
    repeats = loader.get('repeats', 1)
    sizes = [size for size in range(total, 0, -1) if not total % size and not size % repeats]
    fits = _largest(cfg, sizes) if torch.cuda.is_available() else total
    join_processes(cfg)
    smallest = torch.tensor(fits)
    all_reduce(smallest, 'min')
    return int(smallest), total // int(smallest)


def use_batch_size(cfg: Config, batch: int, parts: int) -> None:
    """Let a run compute a step in parts, whose gradients are added up.

    What is counted in steps is counted in parts then, as mmengine has it.

    Args:
        cfg: Changed in place.
        batch: Images that are computed together.
        parts: How many such parts a step is.
    """
    cfg.train_dataloader.batch_size = batch
    if parts > 1:
        wrapper = cfg.optim_wrapper
        wrapper.accumulative_counts = parts * wrapper.get('accumulative_counts', 1)
        if cfg.train_cfg.get('max_iters'):
            set_steps(cfg, parts * cfg.train_cfg.max_iters)
        else:  # in epochs, of which a warm-up is in steps all the same
            scale_schedules(cfg, parts, epochs=False)
    if 'base_batch_size' in (cfg.get('auto_scale_lr') or {}):
        cfg.auto_scale_lr.base_batch_size //= parts  # mmengine compares it with a part
    text = f', in {parts} parts of a step of {batch * parts}' if parts > 1 else ''
    print_log(f'Batches of {batch} images fit{text}', logger='current', level=logging.INFO)


def _largest(cfg: Config, sizes: list[int]) -> int:
    torch.cuda.set_device(int(os.environ.get('LOCAL_RANK', 0)))
    alone = Config(dict(cfg.to_dict(), launcher='none'), filename=cfg.filename)
    for size in sizes:
        torch.cuda.reset_peak_memory_stats()
        try:
            try_steps(alone, _TRIED, batch_size=size)
        except torch.OutOfMemoryError:
            if size == sizes[-1]:
                raise
            fits = False
        else:
            free, _ = torch.cuda.mem_get_info()
            fits = torch.cuda.max_memory_reserved() <= _PART * (free + torch.cuda.memory_reserved())
        gc.collect()
        torch.cuda.empty_cache()
        if fits:
            return size
    return sizes[-1]
