#!/usr/bin/env python
"""Kill a training run over and over, and see whether it ends as if nothing had happened.

A run is trained once without interruption. Then it is trained again, killed (SIGKILL) at random
moments, every other time as soon as a save has begun, and resumed each time. Before every fifth
resume, the newest checkpoint is cut off at a random place, as a power cut might do it. At the
end, the weights of both must be equal to the bit.
"""

import argparse
import logging
import multiprocessing
import os
import random
import re
import runpy
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from mmengine.config import DictAction
from rich.progress import Progress

from mmgreen.engine import read_checkpoint
from mmgreen.errors import UserError, one_sentence

TRAIN = Path(__file__).resolve().parent.parent / 'train.py'


def train(arguments: list[str], log: Path) -> None:
    """tools/train.py in a process of its own, in a session of its own."""
    os.setsid()
    with open(log, 'a') as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = [str(TRAIN), *arguments]
    runpy.run_path(str(TRAIN), run_name='__main__')


def start(context: BaseContext, arguments: list[str], log: Path) -> BaseProcess:
    process = context.Process(target=train, args=(arguments, log))
    process.start()
    return process


def wait_for_moment(
    process: BaseProcess, work_dir: Path, earlier: set[Path], in_a_save: bool, rng: random.Random
) -> None:
    """Wait for a random moment, or for a save and a little longer; earlier: saves cut off before."""
    begun = time.monotonic()
    saves = saved(work_dir)
    after = rng.randint(0, 2)  # saves to let pass
    while process.is_alive() and time.monotonic() < begun + 120:
        if saved(work_dir) != saves:
            saves = saved(work_dir)
            after -= 1
        if in_a_save and after <= 0 and saving(work_dir) - earlier:
            time.sleep(rng.uniform(0, 0.005))
            return
        if not in_a_save and after <= 0:
            time.sleep(rng.uniform(0, 3))
            return
        time.sleep(0.0005)


def saving(work_dir: Path) -> set[Path]:
    return set(work_dir.glob('*.part'))


def saved(work_dir: Path) -> str:
    try:
        return (work_dir / 'last_checkpoint').read_text()
    except OSError:
        return ''


def kill(process: BaseProcess) -> bool:
    """Kill a run and its workers; whether it was still there."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # just started, it has no session of its own yet
    process.join()
    return process.exitcode == -signal.SIGKILL


def unreadable(work_dir: Path) -> Iterator[Path]:
    for path in work_dir.glob('*.pth'):
        try:
            read_checkpoint(str(path))
        except UserError:
            yield path


def cut_off(path: Path, rng: random.Random) -> None:
    size = path.stat().st_size
    os.truncate(path, rng.randrange(size))


def newest(work_dir: Path) -> list[Path]:
    return sorted(work_dir.glob('*.pth'), key=lambda path: path.stat().st_mtime, reverse=True)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""example:
  %(prog)s configs/quickstart/greenmim_swin-nano_demo.py --work-dir work_dirs/drill \\
      --cfg-options train_cfg.max_epochs=100 default_hooks.checkpoint.interval=1""",
    )
    parser.add_argument('config', help='config file of a run that saves some hundred times')
    parser.add_argument('--work-dir', type=Path, required=True, help='folder for both runs, empty')
    parser.add_argument('--kills', type=int, default=50, help='how often to kill it')
    parser.add_argument('--seed', type=int, default=0, help='decides the moments')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='change settings of the config, as of tools/train.py',
    )
    args = parser.parse_args()
    # DictAction checks them; tools/train.py gets them as they are.
    where = sys.argv.index('--cfg-options') if args.cfg_options else len(sys.argv)
    args.options = [a for a in sys.argv[where:] if a == '--cfg-options' or '=' in a]
    return args


def main() -> None:
    args = parse_args()
    rng = random.Random(args.seed)
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmgreen.apis', 'mmdet.models', 'mmpretrain.models'])
    with one_sentence():
        if args.work_dir.exists() and any(args.work_dir.iterdir()):
            raise UserError(f'--work-dir {args.work_dir} is not empty: name another folder')
        args.work_dir.mkdir(parents=True, exist_ok=True)
        drill(args, rng, context)


def drill(args: argparse.Namespace, rng: random.Random, context: BaseContext) -> None:
    folders = {name: args.work_dir / name for name in ('uninterrupted', 'killed')}
    command = {name: [args.config, '--work-dir', str(folder)] for name, folder in folders.items()}
    logs = {name: args.work_dir / f'{name}.log' for name in folders}
    with Progress() as progress:
        task = progress.add_task('uninterrupted', total=None)
        process = start(context, command['uninterrupted'] + args.options, logs['uninterrupted'])
        process.join()
        if process.exitcode:
            raise UserError(f'the run itself fails: see {logs["uninterrupted"]}')
        progress.update(task, description='killed', total=args.kills, completed=0)

        work_dir = folders['killed']
        kills = in_saves = 0
        cut: set[Path] = set()
        torn: set[Path] = set()
        while True:
            resume = command['killed'] + ['--resume'] + args.options
            earlier = saving(work_dir)
            process = start(context, resume, logs['killed'])
            if kills == args.kills:
                process.join()
                break
            wait_for_moment(process, work_dir, earlier, in_a_save=kills % 2 == 1, rng=rng)
            if not kill(process):
                break
            kills += 1
            in_saves += bool(saving(work_dir) - earlier)
            torn |= set(unreadable(work_dir)) - cut
            checkpoints = newest(work_dir)
            if kills % 5 == 0 and len(checkpoints) > 1:
                cut_off(checkpoints[0], rng)
                cut.add(checkpoints[0])
            progress.update(task, completed=kills)
    if process.exitcode:
        raise UserError(f'the killed run did not end: see {logs["killed"]}')
    print(f'{kills} kills, {in_saves} of them within a save: {len(torn)} checkpoints torn by them')
    print(f'{len(cut)} checkpoints cut off')
    report(folders, logs['killed'].read_text(errors='replace'))
    if kills < args.kills:
        raise UserError(f'the run was over after {kills} kills: let it be a longer one')


def report(folders: dict[str, Path], log: str) -> None:
    """Compare what both runs ended with."""
    last = saved(folders['uninterrupted'])
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


if __name__ == '__main__':
    logging.captureWarnings(True)
    main()
