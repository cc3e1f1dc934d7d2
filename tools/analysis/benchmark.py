#!/usr/bin/env python
"""Time and memory of a pre-training step, for any config of this project or mmpretrain.

A step is forward and backward over one batch of images that went through the
config's own pipeline. The optimiser is left out: its work depends on the
parameters alone, and at a CPU's batch size it would weigh many times what it does
in training. Every config runs in a process of its own, in rounds that take turns,
so that a machine whose speed drifts hurts all alike; ratios are taken within a
round, and their median is shown.
"""

import argparse
import ast
import json
import multiprocessing
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import Compose, default_collate
from mmengine.logging import MMLogger
from terminaltables import GithubFlavoredMarkdownTable
from torch import Tensor, nn
from torch.autograd import DeviceType
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

import mmgreen  # noqa: F401
from mmgreen.engine import build_model, load_config, own_scope
from mmgreen.errors import UserError, one_sentence

WARM_UP = 2
AMP = {'none': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}
MIB = 2**20
IMAGENET = 1_281_167  # training images of ImageNet-1K


@dataclass
class Subject:
    """What one process measures: a config, or the lower bound of one.

    Attributes:
        config: Config file, or ``package::path`` of an installed library.
        settings: Changes to it, as ``--cfg-options`` of the other tools.
        floor: Measure the floor of the config instead (see :class:`Floor`).
    """

    config: str
    settings: dict = field(default_factory=dict)
    floor: bool = False

    @property
    def name(self) -> str:
        stem = Path(self.config.split('::')[-1]).stem
        changes = [f'{key.split(".")[-1]}={value}' for key, value in self.settings.items()]
        return ' '.join((['floor of'] if self.floor else []) + [stem] + changes)


def build(subject: Subject, args: argparse.Namespace) -> tuple[nn.Module, Config, int]:
    """The model of a config in training mode, the config, and its image size."""
    settings = dict(subject.settings)
    size = settings.pop('image_size', args.image_size)
    cfg = load_config(subject.config, settings)
    pipeline = cfg.get('train_dataloader', {}).get('dataset', {}).get('pipeline', [])
    crops = [t for t in pipeline if 'crop_ratio_range' in t]
    if not crops or 'backbone' not in cfg.model or 'head' not in cfg.model:
        raise UserError(f'{subject.config} is no pre-training config')
    if size:
        for transform in pipeline:
            for key in ('scale', 'input_size'):  # of crops and mask generators
                if key in transform:
                    transform[key] = size
        for part, key in ((cfg.model.backbone, 'img_size'), (cfg.model, 'input_size')):
            if key in part:
                part[key] = size
    torch.manual_seed(0)
    model = build_model(cfg)
    model.init_weights()
    return model.train().to(args.device), cfg, crops[0].scale


def make_batch(cfg: Config, model: nn.Module, args: argparse.Namespace) -> dict:
    """Random images, taken through the pipeline and the preprocessor of a config."""
    rng = np.random.default_rng(0)
    pipeline = cfg.train_dataloader.dataset.pipeline
    with own_scope(cfg):
        transforms = Compose([t for t in pipeline if t.type != 'LoadImageFromFile'])
        samples = []
        for i in range(args.batch_size):
            image = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
            shape = image.shape[:2]
            samples.append(
                transforms(
                    dict(img=image, img_shape=shape, ori_shape=shape, img_path='', sample_idx=i)
                )
            )
        return model.data_preprocessor(default_collate(samples), training=True)


def mask_seconds(cfg: Config, model: nn.Module, inputs: Tensor) -> float | None:
    """Median time to draw the masks of a step and to build what follows from them.

    None where masks are drawn on the device, in the middle of a step.
    """
    masking = [t for t in cfg.train_dataloader.dataset.pipeline if 'Mask' in t.type]
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


def padding(model: nn.Module, inputs: Tensor) -> dict[str, float] | None:
    """What grouping costs on average: attention pairs a block, share of empty slots."""
    if not hasattr(model, 'build_layout'):
        return None
    pairs, slots, empty = [], 0, 0
    for step in range(20):
        windows = model.build_layout(step, inputs).windows.values()
        pairs += [w.num_groups * w.group_size**2 for w in windows]
        slots += sum(len(w.slots) for w in windows)
        empty += sum(len(w.empty) - len(w.beyond) for w in windows)
    return dict(pairs=statistics.mean(pairs), padding=empty / slots)


class Floor(TorchFunctionMode):
    """The lower bound of a step: its linear layers, norms and activations, nothing else.

    Used as a context around one forward pass, it records every call of these
    with the shape of its input. :meth:`step` runs the same calls with the same
    weights, each on the result of the one before where that is of its shape:
    no attention, no gathers, no residuals, no loss.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable, Tensor | None, list, dict]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = out = func(*args, **(kwargs or {}))
        if func is torch.native_layer_norm:  # the same call, which returns more
            func, out = F.layer_norm, result[0]
        if func in (F.linear, F.layer_norm, F.gelu):
            x, *rest = args
            # Where the chain breaks, values of its own, there before the first step.
            chained = self.calls and self.last_shape == x.shape
            fresh = None if chained else torch.randn_like(x).requires_grad_()
            self.calls.append((func, fresh, rest, kwargs or {}))
            self.last_shape = out.shape
        return result

    def step(self) -> None:
        """The recorded calls, forward and backward."""
        ends, x = [], None
        for func, fresh, rest, kwargs in self.calls:
            if fresh is not None:
                ends += [] if x is None else [x]
                fresh.grad = None
                x = fresh
            x = func(x, *rest, **kwargs)
        ends.append(x)
        torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])


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
    return int(re.search(rf'{name}:\s+(\d+) kB', status)[1]) * 1024


def measure(subject: Subject, args: argparse.Namespace) -> dict:
    """Run the steps of one round. Called in a process of its own."""
    MMLogger.get_current_instance().setLevel('ERROR')
    device = torch.device(args.device)
    with redirect_stdout(StringIO()):  # what the libraries say when they are imported
        model, cfg, size = build(subject, args)
        data = make_batch(cfg, model, args)
    inputs, samples = data['inputs'], data['data_samples']

    def autocast():
        dtype = AMP[args.amp]
        return torch.autocast(device.type, dtype) if dtype else nullcontext()

    run_loss = torch.compile(model.loss) if args.compile else model.loss

    def loss(inputs: Tensor, samples: list) -> Tensor:
        with autocast():
            return model.parse_losses(run_loss(inputs, samples))[0]

    if subject.floor:
        with autocast(), Floor() as floor:
            model.loss(inputs, samples)

        def step() -> None:
            model.zero_grad()
            with autocast():
                floor.step()
    else:

        def step() -> None:
            model.zero_grad()
            loss(inputs, samples).backward()

    times = []
    try:
        before = resident(device)
        reset_peak(device)
        for i in range(WARM_UP + args.steps):
            start = time.perf_counter()
            step()
            if device.type == 'cuda':
                torch.cuda.synchronize()
            if i >= WARM_UP:
                times.append(time.perf_counter() - start)
        most = peak(device)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f'{subject.name} does not fit into the memory of {args.device} at batch size '
            f'{args.batch_size}: lower --batch-size'
        ) from error
    result = dict(
        name=subject.name,
        image_size=size,
        times=times,
        peak=most,
        activations=most - before,
        parameters=sum(p.numel() for p in model.parameters()),
        epochs=None if subject.floor else cfg.train_cfg.max_epochs,
    )
    if not subject.floor:
        model.zero_grad()
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops:
            model.loss(inputs[:1], samples and samples[:1])
        result |= dict(
            flops=flops.get_total_flops(),
            mask_seconds=mask_seconds(cfg, model, inputs),
            grouping=padding(model, inputs),
        )
        if args.profile:
            result['shares'] = shares(step, device)
    return result


#: Operators by what they are for; the rest is copies, sums, residuals, the loss.
KINDS = {
    'linear layers': r'addmm|mm|linear|convolution.*',
    'attention': r'bmm|baddbmm|_softmax.*|_scaled_dot_product.*|_efficient_attention.*|_flash.*',
    'gathers': r'index.*|gather|scatter.*|_index_put.*',
    'norms': r'native_layer_norm.*|native_batch_norm.*',
    'activations': r'gelu.*|relu.*',
}


def shares(step: Callable[[], None], device: torch.device) -> dict[str, float]:
    """Share of each kind of operator in the device time of a step."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == 'cuda':
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities, acc_events=True) as profiler:
        step()
    total = dict.fromkeys([*KINDS, 'rest'], 0.0)
    for event in profiler.key_averages():
        if event.device_type != DeviceType.CPU:
            continue  # a kernel, whose time its operator has too
        spent = event.self_device_time_total if device.type == 'cuda' else event.self_cpu_time_total
        name = event.key.removeprefix('aten::')
        kind = next((kind for kind, names in KINDS.items() if re.fullmatch(names, name)), 'rest')
        total[kind] += spent
    return {kind: spent / sum(total.values()) for kind, spent in total.items()}


def summarise(rounds: list[list[dict]]) -> list[dict]:
    """One row for each subject, over all rounds; ratios to the first subject of a round."""
    rows = []
    for results in zip(*rounds, strict=True):
        times = [t for result in results for t in result['times']]
        first = [round[0] for round in rounds]
        rows.append(
            dict(
                results[0],
                times=times,
                step=dict(median=statistics.median(times), min=min(times), max=max(times)),
                peak=max(result['peak'] for result in results),
                activations=max(result['activations'] for result in results),
                time_ratio=statistics.median(
                    statistics.median(a['times']) / statistics.median(b['times'])
                    for a, b in zip(results, first, strict=True)
                ),
            )
        )
    for row in rows:
        row['activation_ratio'] = row['activations'] / rows[0]['activations']
    return rows


def table(rows: list[dict], batch_size: int, devices: int | None = None) -> str:
    """The rows in Markdown, readable on a terminal.

    Args:
        rows: As of :func:`summarise`.
        batch_size: Images a step.
        devices: Add the days that a config's epochs over ImageNet-1K take on so
            many devices.
    """

    def cell(row: dict, key: str, scale: float, digits: int) -> str:
        return '' if row.get(key) is None else f'{row[key] / scale:.{digits}f}'

    lines = [
        ['config', 'pixels', 'images/s', 'step s', 'min', 'max', 'time']
        + ['peak MiB', 'activations MiB', 'activations', 'GFLOP/image', 'parameters M', 'masks ms']
        + ['pairs/block', 'padding']
        + ([f'days on {devices}'] if devices else [])
    ]
    for row in rows:
        step, grouping = row['step'], row.get('grouping') or {}
        lines.append(
            [row['name'], str(row['image_size']), f'{batch_size / step["median"]:.2f}']
            + [f'{step[key]:.3f}' for key in ('median', 'min', 'max')]
            + [f'{row["time_ratio"]:.2f}x']
            + [cell(row, 'peak', MIB, 0), cell(row, 'activations', MIB, 0)]
            + [f'{row["activation_ratio"]:.2f}x']
            + [cell(row, 'flops', 1e9, 1), cell(row, 'parameters', 1e6, 1)]
            + [cell(row, 'mask_seconds', 1e-3, 2)]
            + [cell(grouping, 'pairs', 1, 0), cell(grouping, 'padding', 1, 3)]
        )
        if devices:
            steps = (row.get('epochs') or 0) * IMAGENET / (batch_size * devices)
            lines[-1].append(f'{steps * step["median"] / 86400:.2f}' if steps else '')
    return GithubFlavoredMarkdownTable(lines).table


def plot(rows: list[dict], path: Path, title: str) -> None:
    """Bars of step time and activation memory."""
    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    names = [f'{row["name"]} ({row["image_size"]} px)' for row in rows]
    figure, axes = plt.subplots(
        1, 2, sharey=True, figsize=(11, 1.2 + 0.45 * len(rows)), layout='constrained'
    )
    for axis, label, values, ratios in (
        (axes[0], 'seconds a step', [r['step']['median'] for r in rows], 'time_ratio'),
        (axes[1], 'activations, GiB', [r['activations'] / 2**30 for r in rows], 'activation_ratio'),
    ):
        bars = axis.barh(names, values, color=['#2a9d5c', *['#8aa6b8'] * (len(rows) - 1)])
        axis.bar_label(bars, [f'{row[ratios]:.2f}x' for row in rows], padding=3)
        axis.set_xlabel(label)
        axis.margins(x=0.3)  # room for the ratios
        axis.spines[['top', 'right']].set_visible(False)
    axes[0].invert_yaxis()
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def machine(args: argparse.Namespace) -> dict:
    """What the figures were measured on."""
    if args.device.startswith('cuda'):
        name = torch.cuda.get_device_name(args.device)
    else:
        info = Path('/proc/cpuinfo').read_text()
        model = re.search(r'model name\s*:\s*(.+)', info)
        name = f'{model[1] if model else platform.machine()}, {torch.get_num_threads()} threads'
    return dict(
        device=name,
        torch=torch.__version__,
        python=platform.python_version(),
        batch_size=args.batch_size,
        amp=args.amp,
        compile=args.compile,
        steps=args.steps,
        rounds=args.rounds,
    )


def read_subjects(words: list[str]) -> list[Subject]:
    """Configs, each followed by its own settings."""
    subjects: list[Subject] = []
    for word in words:
        key, equals, value = word.partition('=')
        if not equals:
            subjects.append(Subject(word))
        elif not subjects:
            raise UserError(f'{word} comes before any config: settings follow their config')
        else:
            try:
                subjects[-1].settings[key] = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                subjects[-1].settings[key] = value
    return subjects


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""example:
  %(prog)s configs/greenmim/greenmim_swin-base-w7_8xb256-amp-coslr-100e_in1k.py \\
      mmpretrain::simmim/simmim_swin-base-w6_8xb256-amp-coslr-100e_in1k-192px.py --floor
settings of one config follow it:
  %(prog)s CONFIG CONFIG model.backbone.grouping=pad CONFIG image_size=448""",
    )
    parser.add_argument(
        'configs',
        nargs='+',
        metavar='CONFIG [KEY=VALUE ...]',
        help='pre-training configs: files, or package::path in an installed library; '
        'image_size is a setting of any of them',
    )
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--image-size', type=int, help='of all; by default that of each config')
    parser.add_argument('--steps', type=int, default=5, help='timed steps a round')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--amp', choices=AMP, default='none', help='mixed precision')
    parser.add_argument('--compile', action='store_true', help='through torch.compile')
    parser.add_argument('--floor', action='store_true', help='add the floor of the first config')
    parser.add_argument('--profile', action='store_true', help='say what a step spends its time on')
    parser.add_argument(
        '--devices',
        type=int,
        metavar='N',
        help="add the days that each config's epochs over ImageNet-1K take on N such devices, "
        'without loading of images, optimiser and communication',
    )
    parser.add_argument('--out', type=Path, help='write all figures to this JSON file')
    parser.add_argument('--plot', type=Path, help='draw them into this picture')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with one_sentence():
        subjects = read_subjects(args.configs)
        if args.floor:
            subjects.insert(1, Subject(subjects[0].config, subjects[0].settings, floor=True))
        about = machine(args)
        print(', '.join(f'{key} {value}' for key, value in about.items()), flush=True)
        rounds = []
        # A fresh process for each: what one leaves in memory is not the next one's.
        with ProcessPoolExecutor(
            1, multiprocessing.get_context('spawn'), max_tasks_per_child=1
        ) as processes:
            for i in range(args.rounds):
                rounds.append([])
                for subject in subjects:
                    try:
                        result = processes.submit(measure, subject, args).result()
                    except BrokenProcessPool as error:
                        raise UserError(
                            f'the process of {subject.name} was killed, most likely for want of '
                            'memory: lower --batch-size'
                        ) from error
                    rounds[-1].append(result)
                    median = statistics.median(result['times'])
                    print(
                        f'round {i + 1}/{args.rounds}  {median:8.3f} s/step  {subject.name}',
                        file=sys.stderr,
                    )
        rows = summarise(rounds)
        print('\n' + table(rows, args.batch_size, args.devices))
        for row in rows:
            if 'shares' in row:
                parts = ', '.join(f'{kind} {part:.1%}' for kind, part in row['shares'].items())
                print(f'{row["name"]}: {parts}')
        if args.out:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps(dict(machine=about, rows=rows), indent=1))
        if args.plot:
            precision = 'float32' if args.amp == 'none' else args.amp
            plot(rows, args.plot, f'{about["device"]}, batch size {args.batch_size}, {precision}')


if __name__ == '__main__':
    main()
