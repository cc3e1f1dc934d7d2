#!/usr/bin/env python
"""The whole way on a demo dataset: pre-train without labels, fine-tune on a few, compare.

Two detectors are trained alike on the same few labelled images, one from pre-training and one
from nothing. Every step is a command that is printed before it runs. Ends with status 1 unless
pre-training wins by two points of box and of mask AP.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
# Of box and of mask AP.
LEAST_GAIN = 0.02


def run(*command: object) -> None:
    """Run a tool of this project, showing the command; stop with it if it fails."""
    parts = [str(part) for part in command]
    print(f'\n\033[1m$ python {shlex.join(parts)}\033[0m', flush=True)
    done = subprocess.run([sys.executable, '-u', *parts])
    if done.returncode:
        sys.exit(done.returncode)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog='example: make quickstart'
    )
    parser.add_argument('--data', type=Path, default=Path('data/demo'), help='demo dataset')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/quickstart'))
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    begun = time.time()
    pretrain, pictures = args.work_dir / 'pretrain', args.work_dir / 'pictures'
    data = ('--cfg-options', f'data_root={args.data}/')

    run('tools/datasets/make_demo.py', args.data)
    run('tools/train.py', PRETRAIN, '--work-dir', pretrain, *data)
    backbone = Path((pretrain / 'last_checkpoint').read_text())
    starts = {
        'no pre-training': ('scratch', 'model.backbone.init_cfg=None'),
        'pre-trained': ('pretrained', f'model.backbone.init_cfg.checkpoint={backbone}'),
    }
    tests = []
    for folder, start in starts.values():
        detect, test = (args.work_dir / f'{part}_{folder}' for part in ('detect', 'test'))
        run('tools/train.py', DETECT, '--work-dir', detect, *data, start)
        detector = Path((detect / 'last_checkpoint').read_text())
        show = ('--show-dir', pictures) if folder == 'pretrained' else ()
        run('tools/test.py', DETECT, detector, '--work-dir', test, '--no-report', *show, *data)
        tests.append(test)
    report = args.work_dir / 'report'
    run('tools/analysis/coco_report.py', *tests, '--names', *starts, '--out', report)
    images = sorted((args.data / 'val').glob('*.jpg'))[:6]
    reconstruction = args.work_dir / 'reconstruction.png'
    run(
        *('tools/analysis/show_reconstruction.py', PRETRAIN, backbone, *images),
        *('--out', reconstruction),
    )

    found = json.loads((report / 'report.json').read_text())
    minutes = (time.time() - begun) / 60
    print(f'\nDone in {minutes:.1f} minutes.')
    print(f'{"":18}{"box AP":>8}{"AP50":>8}{"mask AP":>9}{"AP50":>8}')
    for tested in found['runs']:
        box, mask = (tested[kind]['figures'] for kind in ('bbox', 'segm'))
        print(
            f'{tested["name"]:18}{box["AP"]:8.3f}{box["AP50"]:8.3f}'
            f'{mask["AP"]:9.3f}{mask["AP50"]:8.3f}'
        )
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


if __name__ == '__main__':
    main()
