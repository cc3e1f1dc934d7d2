"""Try everything on a demo dataset: pre-train without labels, fine-tune on a few, compare.

Two detectors are trained alike on the same few labelled images, one from pre-training and one
from random weights, which is trained while the pre-training runs. Every step is a command that is
printed before it runs. Ends with status 1 unless pre-training wins by two points of box and of mask AP.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
# Of box and of mask AP.
LEAST_GAIN = 0.02


def run(*command: object, stdout: int | None = None) -> None:
    """Run a tool of this project, showing the command; stop with it if it fails."""
    parts = [str(part) for part in command]
    beside = '' if stdout is None else ' > /dev/null &'
    print(f'\n\033[1m$ python {shlex.join(parts)}{beside}\033[0m', flush=True)
    done = subprocess.run([sys.executable, '-u', *parts], stdout=stdout)
    if done.returncode:
        sys.exit(done.returncode)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog='example: make quickstart'
    )
    parser.add_argument('--data', type=Path, default=Path('data/demo'), help='demo dataset')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/quickstart'))
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    begun = time.time()
    pretrain, pictures = args.work_dir / 'pretrain', args.work_dir / 'pictures'
    data = ('--cfg-options', f'data_root={args.data}/')

    def detect(folder: str, start: str, *show: object, stdout: int | None = None) -> Path:
        work_dir, test = (args.work_dir / f'{part}_{folder}' for part in ('detect', 'test'))
        run('tools/train.py', DETECT, '--work-dir', work_dir, *data, start, stdout=stdout)
        detector = Path((work_dir / 'last_checkpoint').read_text())
        tested = ('--work-dir', test, '--no-report', *show, *data)
        run('tools/test.py', DETECT, detector, *tested, stdout=stdout)
        return test

    run('tools/datasets/make_demo.py', args.data)
    os.environ['OMP_NUM_THREADS'] = '1'  # pre-training is no faster with two
    nothing = 'model.backbone.init_cfg=None'
    with ThreadPoolExecutor() as pool:
        scratch = pool.submit(detect, 'scratch', nothing, stdout=subprocess.DEVNULL)
        run('tools/train.py', PRETRAIN, '--work-dir', pretrain, *data)
    del os.environ['OMP_NUM_THREADS']
    backbone = Path((pretrain / 'last_checkpoint').read_text())
    start = f'model.backbone.init_cfg.checkpoint={backbone}'
    tests = [scratch.result(), detect('pretrained', start, '--show-dir', pictures)]
    report, names = args.work_dir / 'report', ('no pre-training', 'pre-trained')
    run('tools/analysis/coco_report.py', *tests, '--names', *names, '--out', report)
    reconstruction = args.work_dir / 'reconstruction.png'
    show = ('tools/analysis/show_reconstruction.py', PRETRAIN, backbone, '--out', reconstruction)
    run(*show, *sorted((args.data / 'val').glob('*.jpg'))[:6])

    found = json.loads((report / 'report.json').read_text())
    print(f'\nDone in {(time.time() - begun) / 60:.1f} minutes.')
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
    if min(gain['difference'] for gain in gains.values()) < LEAST_GAIN:
        sys.exit('error: pre-training wins less than two points of AP, which is not worth its time')
