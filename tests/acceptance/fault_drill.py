#!/usr/bin/env python
"""Kill a training run over and over, and check that it ends as if nothing had happened.

A run is trained once without interruption. Then it is trained again, killed (SIGKILL) at random
moments, every other time as soon as a save has begun, and resumed each time. Before every fifth
resume, the newest checkpoint is cut off at a random place, as a power cut might do it. At the
end, the weights of both must be bit for bit equal.
"""

import argparse
import logging
import multiprocessing
import os
import random
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from rich.progress import Progress

from mmgreen.checkpoints import read_checkpoint
from mmgreen.cli import train
from mmgreen.errors import UserError, one_sentence


def drill(
    config: str, work_dir: Path, kills: int = 50, seed: int = 0, options: Sequence[str] = ()
) -> None:
    """Kill a training run over and over, and print whether it ends as if nothing had happened.

    Args:
        config: Config file of a run that saves some hundred times.
        work_dir: Folder for both runs, empty.
        kills: How often to kill it.
        seed: Decides the moments.
        options: ``--cfg-options`` of ``tools/train.py``, as on the command line.

    Raises:
        UserError: If a run fails, is over too soon, or ends with other weights.
    """
    if work_dir.exists() and any(work_dir.iterdir()):
        raise UserError(f'--work-dir {work_dir} is not empty: name another folder')
    work_dir.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmgreen.apis', 'mmdet.models', 'mmpretrain.models'])
    changes = ['--cfg-options', *options] if options else []
    folders = {name: work_dir / name for name in ('uninterrupted', 'killed')}
    command = {name: [config, '--work-dir', str(folder)] for name, folder in folders.items()}
    logs = {name: work_dir / f'{name}.log' for name in folders}
    with Progress() as progress:
        task = progress.add_task('uninterrupted', total=None)
        process = _start(context, command['uninterrupted'] + changes, logs['uninterrupted'])
        process.join()
        if process.exitcode:
            raise UserError(f'the run itself fails: see {logs["uninterrupted"]}')
        progress.update(task, description='killed', total=kills, completed=0)

        killed = folders['killed']
        done = in_saves = 0
        cut: set[Path] = set()
        torn: set[Path] = set()
        while True:
            resume = command['killed'] + ['--resume'] + changes
            earlier = _saving(killed)
            process = _start(context, resume, logs['killed'])
            if done == kills:
                process.join()
                break
            _wait_for_moment(process, killed, earlier, in_a_save=done % 2 == 1, rng=rng)
            if not _kill(process):
                break
            done += 1
            in_saves += bool(_saving(killed) - earlier)
            torn |= set(_unreadable(killed)) - cut
            checkpoints = _newest(killed)
            if done % 5 == 0 and len(checkpoints) > 1:
                _cut_off(checkpoints[0], rng)
                cut.add(checkpoints[0])
            progress.update(task, completed=done)
    if process.exitcode:
        raise UserError(f'the killed run did not end: see {logs["killed"]}')
    print(f'{done} kills, {in_saves} of them within a save: {len(torn)} checkpoints torn by them')
    print(f'{len(cut)} checkpoints cut off')
    _report(folders, logs['killed'].read_text(errors='replace'))
    if done < kills:
        raise UserError(f'the run was over after {done} kills: use a longer run')


def _train(arguments: list[str], log: Path) -> None:
    """The command that trains, in a process and a session of its own."""
    os.setsid()
    with open(log, 'a') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    train.main(arguments)


def _start(context: BaseContext, arguments: list[str], log: Path) -> BaseProcess:
    process = context.Process(target=_train, args=(arguments, log))
    process.start()
    return process


def _wait_for_moment(
    process: BaseProcess, work_dir: Path, earlier: set[Path], in_a_save: bool, rng: random.Random
) -> None:
    """Wait for a random moment, or for a save and a little longer; earlier: saves cut off before."""
    begun = time.monotonic()
    saves = _saved(work_dir)
    after = rng.randint(0, 2)  # saves to let pass
    while process.is_alive() and time.monotonic() < begun + 120:
        if _saved(work_dir) != saves:
            saves = _saved(work_dir)
            after -= 1
        if in_a_save and after <= 0 and _saving(work_dir) - earlier:
            time.sleep(rng.uniform(0, 0.005))
            return
        if not in_a_save and after <= 0:
            time.sleep(rng.uniform(0, 3))
            return
        time.sleep(0.0005)


def _saving(work_dir: Path) -> set[Path]:
    return set(work_dir.glob('*.part'))


def _saved(work_dir: Path) -> str:
    try:
        return (work_dir / 'last_checkpoint').read_text()
    except OSError:
        return ''


def _kill(process: BaseProcess) -> bool:
    """Kill a run and its workers; whether it was still there."""
    assert process.pid is not None  # it was started
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # just started, it has no session of its own yet
    process.join()
    return process.exitcode == -signal.SIGKILL


def _unreadable(work_dir: Path) -> Iterator[Path]:
    for path in work_dir.glob('*.pth'):
        try:
            read_checkpoint(str(path))
        except UserError:
            yield path


def _cut_off(path: Path, rng: random.Random) -> None:
    size = path.stat().st_size
    os.truncate(path, rng.randrange(size))


def _newest(work_dir: Path) -> list[Path]:
    return sorted(work_dir.glob('*.pth'), key=lambda path: path.stat().st_mtime, reverse=True)


def _report(folders: dict[str, Path], log: str) -> None:
    """Compare what both runs ended with."""
    last = _saved(folders['uninterrupted'])
    final = {name: folder / Path(last).name for name, folder in folders.items()}
    weights = {name: read_checkpoint(str(path)) for name, path in final.items()}
    equal = all(
        torch.equal(value, weights['killed']['state_dict'][name])
        for name, value in weights['uninterrupted']['state_dict'].items()
    )
    resumed = re.findall(r'resumed epoch: \d+, iter: (\d+)', log)
    print(f'{len(resumed)} times resumed, {log.count("Passed over:")} checkpoints passed over')
    print(
        f'{"equal" if equal else "OTHER"} weights after {weights["killed"]["meta"]["iter"]} steps'
    )
    if not equal:
        raise UserError('the killed run has other weights than the uninterrupted one')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""example:
  %(prog)s configs/quickstart/greenmim_swin-nano_demo.py --work-dir work_dirs/drill \\
      --cfg-options train_cfg.max_epochs=100 default_hooks.checkpoint.interval=1""",
    )
    parser.add_argument('config', help='config file of a run that saves some hundred times')
    parser.add_argument('--work-dir', type=Path, required=True, help='folder for both runs, empty')
    parser.add_argument('--kills', type=int, default=50, help='number of kills')
    parser.add_argument('--seed', type=int, default=0, help='seed of the moments of the kills')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config, as of tools/train.py',
    )
    args = parser.parse_args()
    logging.captureWarnings(True)
    with one_sentence():
        drill(args.config, args.work_dir, args.kills, args.seed, args.cfg_options)


if __name__ == '__main__':
    main()
