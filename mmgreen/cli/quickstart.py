"""Try everything on a demo dataset: pre-train without labels, fine-tune on a few, compare.

Two detectors are trained alike on the same few labelled images, one from pre-training and one
from random weights, which is trained while the pre-training runs. Every step is a command that is
printed before it runs. Ends with status 1 unless pre-training wins by three points of box and of
mask AP, with its interval above zero.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import shlex
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
#: What pre-training must win, of box and of mask AP.
LEAST_GAIN = 0.03
# Each command is a process that begins with the libraries already imported.
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(['mmgreen.apis', 'mmgreen.report', 'mmdet.apis'])
#: CPU seconds of each command.
_SPENT: list[float] = []


def run(command: str, *arguments: object, threads: int = 1, quiet: bool = False) -> None:
    """Run a command of this project, showing it; stop with it if it fails."""
    parts = [str(part) for part in arguments]
    beside = ' > /dev/null &' if quiet else ''
    print(f'\n\033[1m$ mmgreen {command} {shlex.join(parts)}{beside}\033[0m', flush=True)
    receive, send = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_run, args=(command, parts, threads, quiet, send))
    process.start()
    send.close()
    with suppress(EOFError):
        _SPENT.append(receive.recv())
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


def _run(command: str, arguments: list[str], threads: int, quiet: bool, send: Any) -> None:
    import torch

    torch.set_num_threads(threads)
    if quiet:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        importlib.import_module(f'mmgreen.cli.{command.replace("-", "_")}').main(arguments)
    finally:
        send.send(sum(os.times()[:4]))  # those of workers, too


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog='example: make quickstart'
    )
    parser.add_argument('--data', type=Path, default=Path('data/demo'), help='demo dataset')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/quickstart'))
    args = parser.parse_args(argv)
    begun = time.time()
    pretrain, pictures = args.work_dir / 'pretrain', args.work_dir / 'pictures'
    data = ('--cfg-options', f'data_root={args.data}/')

    def detect(folder: str, start: str, *show: object, **how: Any) -> Path:
        work_dir, test = (args.work_dir / f'{part}_{folder}' for part in ('detect', 'test'))
        run('train', DETECT, '--work-dir', work_dir, *data, start, quiet=how.get('quiet', False))
        detector = Path((work_dir / 'last_checkpoint').read_text())
        run('test', DETECT, detector, '--work-dir', test, '--no-report', *show, *data, **how)
        return test

    run('make-demo', args.data)
    with ThreadPoolExecutor() as pool:
        scratch = pool.submit(detect, 'scratch', 'model.backbone.init_cfg=None', quiet=True)
        run('train', PRETRAIN, '--work-dir', pretrain, *data)  # no faster with two threads
    backbone = Path((pretrain / 'last_checkpoint').read_text())
    start = f'model.backbone.init_cfg.checkpoint={backbone}'
    threads = os.cpu_count() or 1
    tests = [scratch.result(), detect('pretrained', start, '--show-dir', pictures, threads=threads)]
    report, names = args.work_dir / 'report', ('from scratch', 'pre-trained')
    run('report', *tests, '--names', *names, '--out', report)
    reconstruction = args.work_dir / 'reconstruction.png'
    images = sorted((args.data / 'val').glob('*.jpg'))[:6]
    run('show-reconstruction', PRETRAIN, backbone, '--out', reconstruction, *images)

    found = json.loads((report / 'report.json').read_text())
    minutes, cpu_minutes = (time.time() - begun) / 60, sum(_SPENT) / 60
    print(f'\nDone in {minutes:.1f} minutes, and {cpu_minutes:.1f} of CPU time.')
    print(f'{"":18}{"box AP":>9}{"AP50":>9}{"mask AP":>9}{"AP50":>9}')
    for tested in found['runs']:
        figures = [tested[kind]['figures'][f] for kind in ('bbox', 'segm') for f in ('AP', 'AP50')]
        print(f'{tested["name"]:18}' + ''.join(f'{figure:9.3f}' for figure in figures))
    (gained,) = found['differences']
    gains = {name: gained[kind]['AP'] for name, kind in (('box', 'bbox'), ('mask', 'segm'))}
    for name, gain in gains.items():
        low, high = gain['interval']
        print(
            f'Pre-training wins {100 * gain["difference"]:+.1f} points of {name} AP '
            f'(95 % interval over the images: {100 * low:+.1f} to {100 * high:+.1f})'
        )
    print(f'Report: {report / "report.html"}')
    print(f'Detections (truth | prediction): {pictures}')
    print(f'Reconstructions (masked | predicted | original): {reconstruction}')
    if any(g['difference'] < LEAST_GAIN or g['interval'][0] <= 0 for g in gains.values()):
        sys.exit('error: pre-training wins less than three points of AP, or not surely')
