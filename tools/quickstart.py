#!/usr/bin/env python
"""The whole way on a demo dataset: make it, pre-train, fine-tune, test, report.

Every step is a command that is printed before it runs. Ends with status 1 if
the pre-training loss did not fall or AP50 is below 0.5.
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


def run(*command: object) -> None:
    """Run a tool of this project, showing the command; stop with it if it fails."""
    parts = [str(part) for part in command]
    print(f'\n\033[1m$ python {shlex.join(parts)}\033[0m', flush=True)
    done = subprocess.run([sys.executable, '-u', *parts])
    if done.returncode:
        sys.exit(done.returncode)


def losses(work_dir: Path) -> list[float]:
    """Logged losses of the last run in a work dir, first to last."""
    scalars = max(work_dir.glob('*/vis_data/scalars.json'), key=lambda p: p.stat().st_mtime)
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    return [row['loss'] for row in rows if 'loss' in row]


def last_report(work_dir: Path) -> Path:
    """The report of the last test in a work dir."""
    return max(work_dir.glob('*/report.html'), key=lambda p: p.stat().st_mtime)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog='example: make quickstart'
    )
    parser.add_argument('--data', type=Path, default=Path('data/demo'), help='demo dataset')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/quickstart'))
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    start = time.time()
    pretrain, detect, test = (args.work_dir / name for name in ('pretrain', 'detect', 'test'))
    pictures = args.work_dir / 'pictures'
    data = ('--cfg-options', f'data_root={args.data}/')

    run('tools/datasets/make_demo.py', args.data)
    run('tools/train.py', PRETRAIN, '--work-dir', pretrain, *data)
    backbone = Path((pretrain / 'last_checkpoint').read_text())
    run(
        *('tools/train.py', DETECT, '--work-dir', detect, *data),
        f'model.backbone.init_cfg.checkpoint={backbone}',
    )
    detector = Path((detect / 'last_checkpoint').read_text())
    run('tools/test.py', DETECT, detector, '--work-dir', test, '--show-dir', pictures, *data)
    images = sorted((args.data / 'val').glob('*.jpg'))[:6]
    reconstruction = args.work_dir / 'reconstruction.png'
    run(
        *('tools/analysis/show_reconstruction.py', PRETRAIN, backbone, *images),
        *('--out', reconstruction),
    )

    loss, report = losses(pretrain), last_report(test)
    (tested,) = json.loads(report.with_name('report.json').read_text())['runs']
    result = {kind: tested[kind]['figures'] for kind in ('bbox', 'segm')}
    minutes = (time.time() - start) / 60
    print(f'\nDone in {minutes:.1f} minutes.')
    print(f'Pre-training loss: {loss[0]:.3f} at first, {loss[-1]:.3f} at last')
    print(f'{"":6}{"AP":>8}{"AP50":>8}{"AP75":>8}')
    for name, key in (('box', 'bbox'), ('mask', 'segm')):
        values = (result[key][figure] for figure in ('AP', 'AP50', 'AP75'))
        print(f'{name:6}' + ''.join(f'{value:8.3f}' for value in values))
    print(f'Report: {report}')
    print(f'Detections (truth | prediction): {pictures}')
    print(f'Reconstructions (masked | predicted | original): {reconstruction}')

    if loss[-1] > 0.8 * loss[0]:
        sys.exit('error: the pre-training loss did not fall by a fifth')
    if min(figures['AP50'] for figures in result.values()) < 0.5:
        sys.exit('error: AP50 is below 0.5')


if __name__ == '__main__':
    main()
