"""Every random state of a process, as plain values."""

import random
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """States of Python's, NumPy's and PyTorch's generators, and of this process's GPU.

    They are tensors and numbers, so that a checkpoint with them is read without
    running code. No synchronisation with the GPU.
    """
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002, it is mmengine's
    state = dict(
        python=random.getstate(),
        # Processes exchange it by pickle, which PyTorch lacks for unsigned numbers.
        numpy=(kind, torch.from_numpy(keys.view(np.int32)), *rest),
        torch=torch.get_rng_state(),
    )
    if torch.cuda.is_initialized():
        state['cuda'] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Set what :func:`random_state` gave; ``torch.initial_seed()`` is as it was, too."""
    random.setstate(state['python'])
    kind, keys, *rest = state['numpy']
    np.random.set_state((kind, keys.cpu().numpy().view(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state['torch'].cpu())  # runners load checkpoints to the GPU
    if 'cuda' in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


def seed_all(*entropy: int) -> None:
    """Seed Python's, NumPy's and PyTorch's CPU generators with a function of some numbers."""
    words = np.random.SeedSequence(entropy).generate_state(3)
    random.seed(int(words[0]))
    np.random.seed(int(words[1]))  # noqa: NPY002
    torch.default_generator.manual_seed(int(words[2]))
