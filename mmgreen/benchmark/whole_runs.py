"""How much of a bare step's speed a whole run has."""

import json
import multiprocessing
import os
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from mmengine.config import Config
from terminaltables import GithubFlavoredMarkdownTable

from mmgreen.config import load_config
from mmgreen.engine import build_runner, prepare_run

from .measuring import Settings, measure_in_turn, set_precision
from .subject import Subject

# Steps of a run before those that are timed: workers start, memory is found.
_WARM_UP = 10
# Lines of a run's log are so many steps apart, each with their mean.
_LOGGED = 5


def measure_training(subjects: list[Subject], settings: Settings) -> list[dict]:
    """Train beside the bare step with the optimizer, at each config's batch size.

    They take turns. The run has everything that training has: images are read and augmented, hooks
    called, lines logged. Left out are the config's own hooks, which draw and measure every so often,
    saving and validation.

    Args:
        subjects: Pre-training configs.
        settings: Steps, rounds and precision; the batch size is each config's own.

    Returns:
        For each ``name``, ``batch_size``, and by round ``step`` and ``train`` (s a step) and
        ``waiting`` (s a step for images).

    Raises:
        UserError: If a run fails.
    """
    rows = []
    for subject in subjects:
        size = load_config(subject.config, subject.settings).train_dataloader.batch_size
        rows.append(dict(name=subject.name, batch_size=size, step=[], train=[], waiting=[]))
    for turn in range(settings.rounds):
        for subject, row in zip(subjects, rows, strict=True):
            alone = _alone(settings, row['batch_size'])
            (bare,) = measure_in_turn([subject], alone)[0]
            row['step'].append(statistics.median(bare['times']))
            train, waiting = _run(subject, settings)
            row['train'].append(train)
            row['waiting'].append(waiting)
            print(
                f'round {turn + 1}/{settings.rounds}  {train:8.3f} s/step in training  {row["name"]}',
                file=sys.stderr,
            )
    return rows


def training_table(rows: list[dict]) -> str:
    """Images/s of a run and of its bare step, and what the difference is lost to, in Markdown."""
    lines = [
        ['config', 'batch', 'bare step', 'training', 'of it', 'lost to waiting', 'to the rest']
    ]
    for row in rows:
        turns = list(zip(row['step'], row['train'], row['waiting'], strict=True))
        kept = statistics.median(step / train for step, train, _ in turns)
        waiting = statistics.median(wait / train for _, train, wait in turns)
        rates = (row['batch_size'] / statistics.median(row[key]) for key in ('step', 'train'))
        lines.append(
            [row['name'], str(row['batch_size']), *(f'{rate:,.1f} images/s' for rate in rates)]
            + [f'{kept:.3f}', f'{waiting:.1%}', f'{max(0.0, 1 - kept - waiting):.1%}']
        )
    return GithubFlavoredMarkdownTable(lines).table


def _alone(settings: Settings, batch_size: int) -> Settings:
    return Settings(
        device=settings.device,
        step='full',
        batch_size=batch_size,
        steps=settings.steps,
        rounds=1,
        amp=settings.amp,
    )


def _run(subject: Subject, settings: Settings) -> tuple[float, float]:
    """Seconds a step, and of these for images, in the steady state of a run."""
    cfg = load_config(subject.config, subject.settings)
    steps = _LOGGED * -(-max(settings.steps or 0, _LOGGED) // _LOGGED)
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=_WARM_UP + steps)
    cfg.param_scheduler = []
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.log_processor = dict(by_epoch=False, window_size=_LOGGED)
    cfg.default_hooks.logger = dict(type='LoggerHook', interval=_LOGGED)
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=10**9)
    cfg.custom_hooks = []
    set_precision(cfg, settings)
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        context = multiprocessing.get_context('forkserver')
        with ProcessPoolExecutor(1, context) as process:
            process.submit(_train, cfg).result()
        (scalars,) = Path(folder).glob('*/vis_data/scalars.json')
        lines = [json.loads(line) for line in scalars.read_text(encoding='utf-8').splitlines()]
    steady = [line for line in lines if line.get('step', 0) > _WARM_UP and 'time' in line]
    return (
        statistics.median(line['time'] for line in steady),
        statistics.median(line['data_time'] for line in steady),
    )


def _train(cfg: Config) -> None:
    """Train as the command does, in a process of its own, and print nothing."""
    with open(os.devnull, 'w') as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        prepare_run(cfg, 'train')
        build_runner(cfg).train()
