"""The type that autocast computes in."""

import torch
from torch import Tensor


def autocast_dtype(x: Tensor) -> torch.dtype | None:
    """The half precision that autocast casts to on the device of a tensor; None where it is off."""
    device = x.device.type
    # Compiled code is for devices that have autocast, and cannot ask.
    available = torch.compiler.is_compiling() or torch.amp.is_autocast_available(device)
    if available and torch.is_autocast_enabled(device):
        return torch.get_autocast_dtype(device)
    return None
