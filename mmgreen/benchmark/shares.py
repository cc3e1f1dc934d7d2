"""What a step spends its time on."""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import DeviceType

#: Operators by what they are for; the rest is copies, sums, residuals, the loss.
KINDS = {
    'linear layers': r'addmm|mm|linear|convolution.*',
    'attention': r'bmm|baddbmm|_softmax.*|_scaled_dot_product.*|_efficient_attention.*|_flash.*',
    'gathers': r'index.*|gather|scatter.*|_index_put.*',
    'norms': r'native_layer_norm.*|native_batch_norm.*',
    'activations': r'gelu.*|relu.*',
}


def profile(step: Callable[[], None], device: torch.device) -> dict[str, Any]:
    """What a device does in a step.

    Returns:
        ``shares`` of each kind of operator in its time; on a GPU, ``kernels``, how many it ran, and ``busy``, their
        seconds. Where kernels come from a CUDA graph there are no operators, and the shares are of the rest.
    """
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == 'cuda':
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        step()
    total = dict.fromkeys([*KINDS, 'rest'], 0.0)
    kernels, busy = 0, 0.0
    for event in profiler.key_averages():
        if event.device_type != DeviceType.CPU:
            kernels += event.count  # whose time its operator has, too
            busy += event.self_device_time_total / 1e6
            continue
        spent = event.self_device_time_total if device.type == 'cuda' else event.self_cpu_time_total
        name = event.key.removeprefix('aten::')
        kind = next((kind for kind, names in KINDS.items() if re.fullmatch(names, name)), 'rest')
        total[kind] += spent
    whole = sum(total.values()) or 1.0
    found: dict[str, Any] = dict(shares={kind: spent / whole for kind, spent in total.items()})
    return found | (dict(kernels=kernels, busy=busy) if kernels else {})
