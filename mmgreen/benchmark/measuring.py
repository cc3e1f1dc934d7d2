"""Time and memory of a training step."""

import itertools
import multiprocessing
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mmgreen.engine import complete_optimizer, own_scope
from mmgreen.errors import UserError
from mmgreen.sparse import attention_cost, tile_cost

from .floor import Floor
from .launches import count_launches
from .memory import peak, reset_peak, resident
from .shares import profile
from .subject import Subject, build_subject, is_detector, make_batch

AMP = {'none': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}


@dataclass(frozen=True)
class Settings:
    """How subjects are measured, all alike.

    Attributes:
        step: ``'bare'``: forward and backward. ``'full'``: all that a training step does on the
            device, the transfer of the batch, its preprocessing, loss scaling and the optimizer
            included. By default full on a GPU, and bare on a CPU.
        batch_size: Images a step.
        image_size: Side of all images; by default that of each config.
        steps: Timed steps a round; by default 50 on a GPU, and 5 on a CPU.
        rounds: How often the subjects take turns.
        device: Device; by default the GPU, or else the CPU.
        amp: One of :data:`AMP`.
        compile: Whether through ``torch.compile``.
        profile: Whether to say what a step spends its time on.
        launches: Whether to count the kernels that a step launches, of GreenMIM.
    """

    device: str = field(default_factory=lambda: 'cuda' if torch.cuda.is_available() else 'cpu')
    step: str | None = None
    batch_size: int = 8
    image_size: int | None = None
    steps: int | None = None
    rounds: int = 3
    amp: str = 'none'
    compile: bool = False
    profile: bool = False
    launches: bool = False

    def __post_init__(self) -> None:
        on_gpu = self.device.startswith('cuda')
        for name, value in (
            ('step', self.step or ('full' if on_gpu else 'bare')),
            ('steps', self.steps or (50 if on_gpu else 5)),
        ):
            object.__setattr__(self, name, value)

    @property
    def warm_up(self) -> int:
        """Steps before those that are timed."""
        return 20 if self.device.startswith('cuda') else 2

    def describe(self) -> dict:
        """What is measured, and on what."""
        if self.device.startswith('cuda'):
            name = torch.cuda.get_device_name(self.device)
        else:
            info = Path('/proc/cpuinfo').read_text()
            model = re.search(r'model name\s*:\s*(.+)', info)
            name = f'{model[1] if model else platform.machine()}, {torch.get_num_threads()} threads'
        return dict(
            device=name,
            torch=torch.__version__,
            python=platform.python_version(),
            step=self.step,
            batch_size=self.batch_size,
            amp=self.amp,
            compile=self.compile,
            steps=self.steps,
            rounds=self.rounds,
        )


def measure_in_turn(subjects: list[Subject], settings: Settings) -> list[list[dict]]:
    """Measure each subject once a round, in a process of its own.

    So a machine whose speed drifts hurts all alike, and what one leaves in memory
    is not the next one's.

    Returns:
        For each round what was found of each subject.

    Raises:
        UserError: If one cannot be measured, or runs out of memory.
    """
    rounds: list[list[dict]] = []
    # Fresh processes that share what was imported: a start takes no seconds of its own. What is
    # imported asks for a GPU, and after PyTorch's usual way to answer none can be forked to use it.
    os.environ['PYTORCH_NVML_BASED_CUDA_CHECK'] = '1'
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmgreen.benchmark'])
    for i in range(settings.rounds):
        rounds.append([])
        for subject in subjects:
            try:
                with ProcessPoolExecutor(1, context) as process:
                    result = process.submit(_measure, subject, settings, i == 0).result()
            except BrokenProcessPool as error:
                raise UserError(
                    f'the process of {subject.name} was killed, most likely because '
                    'memory ran out: lower --batch-size'
                ) from error
            rounds[-1].append(result)
            median = statistics.median(result['times'])
            print(
                f'round {i + 1}/{settings.rounds}  {median:8.3f} s/step  {subject.name}',
                file=sys.stderr,
            )
    return rounds


def _measure(subject: Subject, settings: Settings, first: bool) -> dict:
    """Run the steps of one round, and count what no round changes in the first. In a process of its own."""
    MMLogger.get_current_instance().setLevel('ERROR')
    device = torch.device(settings.device)
    model, cfg = build_subject(subject, settings.image_size, settings.device)
    batch = make_batch(cfg, settings.batch_size)
    data = model.data_preprocessor(batch, training=True)
    inputs, samples = data['inputs'], data['data_samples']

    def autocast():
        dtype = AMP[settings.amp]
        return torch.autocast(device.type, dtype) if dtype else nullcontext()

    if settings.compile:
        compiled: Any = model
        if hasattr(model, 'compute'):
            model.compile()
        else:
            compiled.loss = torch.compile(compiled.loss)

    def loss(inputs: Tensor, samples: list) -> Tensor:
        with autocast():
            return model.parse_losses(model.loss(inputs, samples))[0]

    if subject.floor:
        with autocast(), Floor() as floor:
            model.loss(inputs, samples)

        def step() -> None:
            model.zero_grad()
            with autocast():
                floor.step()
    elif settings.step == 'full':
        wrapper = _optimizer(cfg, model, settings)
        if device.type == 'cuda':
            batch['inputs'] = _pinned(batch['inputs'])

        def step() -> None:
            model.train_step(batch, wrapper)
    else:

        def step() -> None:
            model.zero_grad()
            loss(inputs, samples).backward()

    try:
        before = resident(device)
        reset_peak(device)
        times = _time(step, settings, device)
        most = peak(device)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f'{subject.name} does not fit into the memory of {settings.device} at batch size '
            f'{settings.batch_size}: lower --batch-size'
        ) from error
    result = dict(
        name=subject.name,
        image_size=_sides(inputs),
        times=times,
        peak=most,
        activations=most - before,
        parameters=sum(p.numel() for p in model.parameters()),
        epochs=None if subject.floor or is_detector(cfg) else cfg.train_cfg.get('max_epochs'),
    )
    if first and not subject.floor:
        model.zero_grad()
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops:
            model.loss(inputs[:1], samples and samples[:1])
        result |= dict(
            flops=flops.get_total_flops(),
            mask_seconds=_mask_seconds(cfg, model, inputs),
            grouping=_padding(model, inputs),
        )
        if settings.profile:
            result |= profile(step, device)
        if settings.launches and hasattr(model, 'build_layout'):
            data = dict(inputs=inputs.cpu(), data_samples=samples)
            result['launches'] = count_launches(cfg, model.cpu(), data, AMP[settings.amp])
    return result


def _time(step: Callable[[], Any], settings: Settings, device: torch.device) -> list[float]:
    """Seconds of each timed step; a GPU's by its own clock, so that steps follow each other."""
    for _ in range(settings.warm_up):
        step()
    times = []
    if device.type != 'cuda':
        for _ in range(settings.steps or 0):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        return times
    marks = [torch.cuda.Event(enable_timing=True) for _ in range((settings.steps or 0) + 1)]
    marks[0].record()
    for mark in marks[1:]:
        step()
        mark.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) / 1000 for a, b in itertools.pairwise(marks)]


def _optimizer(cfg: Config, model: nn.Module, settings: Settings) -> OptimWrapper:
    """The optimizer that ``mmgreen train`` would make, in the precision that is measured."""
    complete_optimizer(cfg)
    set_precision(cfg, settings)
    with own_scope(cfg):
        return build_optim_wrapper(model, cfg.optim_wrapper)


def set_precision(cfg: Config, settings: Settings) -> None:
    """Let a config train in the precision that is measured.

    Args:
        cfg: Changed in place: ``optim_wrapper``.
        settings: Device and ``amp``.

    Raises:
        UserError: If it is not that of the device.
    """
    wrapper = cfg.optim_wrapper
    for key in ('loss_scale', 'dtype'):
        wrapper.pop(key, None)
    wrapper.type = 'OptimWrapper'
    if settings.amp != 'none' and not settings.device.startswith('cuda'):
        if settings.amp == 'fp16':
            raise UserError(
                'a CPU trains in bfloat16 or in float32: set --amp bf16, or leave it out'
            )
        wrapper.type = 'mmgreen.BFloat16OptimWrapper'
    elif settings.amp != 'none':
        wrapper.update(
            type='AmpOptimWrapper', dtype={'fp16': 'float16'}.get(settings.amp, 'bfloat16')
        )
        wrapper.loss_scale = 'dynamic'


def _pinned(inputs: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
    return inputs.pin_memory() if isinstance(inputs, Tensor) else [x.pin_memory() for x in inputs]


def _mask_seconds(cfg: Config, model: nn.Module, inputs: Tensor) -> float | None:
    """Median time to draw the masks of a step and to build what follows from them.

    None where masks are drawn on the device, in the middle of a step.
    """
    masking = [t for t in cfg.train_dataloader.dataset.get('pipeline') or [] if 'Mask' in t.type]
    if hasattr(model, 'build_layout'):

        def make(step: int) -> None:
            model.build_layout(step, inputs)
    elif masking:
        with own_scope(cfg):
            transforms = Compose(masking)

        def make(step: int) -> None:
            for _ in inputs:
                transforms({})
    else:
        return None
    times = []
    for step in range(100):
        start = time.perf_counter()
        make(step)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _sides(inputs: Tensor | list[Tensor]) -> int | str:
    """Of the images that a step computes: one, of squares, or both."""
    height, width = inputs[0].shape[-2:]
    return width if height == width else f'{width} x {height}'


def _padding(model: nn.Module, inputs: Tensor) -> dict[str, float] | None:
    """What grouping costs, mean over 1,000 steps: pairs and GPU tiles a block, empty slots."""
    if not hasattr(model, 'build_layout'):
        return None
    pairs, tiles, slots, empty = [], [], 0, 0
    for step in range(1000):
        windows = model.build_layout(step, inputs).windows.values()
        pairs += [attention_cost(w.num_groups, w.group_size) for w in windows]
        tiles += [tile_cost(w.num_groups, w.group_size) for w in windows]
        slots += sum(len(w.slots) for w in windows)
        empty += sum(len(w.slots) - w.num_tokens - len(w.beyond) for w in windows)
    return dict(pairs=statistics.mean(pairs), tiles=statistics.mean(tiles), padding=empty / slots)
