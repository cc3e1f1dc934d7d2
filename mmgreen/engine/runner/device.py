"""What a run computes on, and why there is no GPU where one is expected."""

import logging
import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log

_DRIVER = Path('/proc/driver/nvidia/version')


def say_device(cfg: Config) -> None:
    """Say why there is no GPU; loudly where one was expected.

    Args:
        cfg: One that asks for mixed precision is meant for a GPU, as is a machine with a driver.
    """
    if torch.cuda.is_available():
        return
    expected = cfg.get('optim_wrapper', {}).get('type') == 'AmpOptimWrapper' or _DRIVER.exists()
    print_log(
        f'NO GPU: {why_no_gpu()}. The run continues on the CPU.',
        logger='current',
        level=logging.WARNING if expected else logging.INFO,
    )


def why_no_gpu() -> str:
    """Why PyTorch sees no GPU, and what to do."""
    if torch.version.cuda is None:
        return 'this PyTorch is built without CUDA: install one that has it (pytorch.org)'
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    if visible is not None and visible.strip() in ('', '-1'):
        return f'CUDA_VISIBLE_DEVICES={visible!r} hides all GPUs: unset it'
    if not _DRIVER.exists():
        return 'no driver of NVIDIA is loaded: nvidia-smi must list the GPU first'
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        reason = ' '.join(str(error).split())
        return f'PyTorch for CUDA {torch.version.cuda} cannot use the driver ({reason})'
    return 'the driver is loaded and lists no GPU'
