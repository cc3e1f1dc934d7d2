"""Memory of a device, or of this process where that is the CPU."""

import re
from contextlib import suppress
from pathlib import Path

import torch


def resident(device: torch.device) -> int:
    """Bytes in use now."""
    if device.type == 'cuda':
        return torch.cuda.memory_allocated()
    return _proc_status('VmRSS')


def reset_peak(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    else:
        with suppress(OSError):  # not allowed everywhere; then building the model counts too
            Path('/proc/self/clear_refs').write_text('5')


def peak(device: torch.device) -> int:
    """Most bytes in use at once since :func:`reset_peak`."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated()
    return _proc_status('VmHWM')


def _proc_status(name: str) -> int:
    status = Path('/proc/self/status').read_text()
    (kilobytes,) = re.findall(rf'{name}:\s+(\d+) kB', status)
    return int(kilobytes) * 1024
