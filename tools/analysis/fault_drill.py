#!/usr/bin/env python
"""Kill a training run over and over, and check that it ends as if nothing had happened.

A run is trained once without interruption. Then it is trained again, killed (SIGKILL) at random
moments, every other time as soon as a save has begun, and resumed each time. Before every fifth
resume, the newest checkpoint is cut off at a random place, as a power cut might do it. At the
end, the weights of both must be bit for bit equal.
"""

import argparse
import logging
from pathlib import Path

from mmgreen.errors import one_sentence


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
    parser.add_argument('--kills', type=int, default=50, help='number of kills')
    parser.add_argument('--seed', type=int, default=0, help='seed of the moments of the kills')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='change settings of the config, as of tools/train.py',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from mmgreen.benchmark.fault_drill import drill

    logging.captureWarnings(True)
    with one_sentence():
        drill(args.config, args.work_dir, args.kills, args.seed, args.cfg_options)


if __name__ == '__main__':
    main()
