#!/usr/bin/env python
"""Check a dataset before a run: ImageNet's layout, COCO's, or a folder of images.

The layout is recognised: a folder 'annotations' with JSON files is COCO, class
folders below 'train' are ImageNet, anything else is a folder of images. Ends with
status 1 if something is missing or cannot be used.
"""

import argparse
import sys
from pathlib import Path

from mmgreen.datasets.checking import LAYOUTS, check_dataset
from mmgreen.errors import one_sentence


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: %(prog)s data/coco',
    )
    parser.add_argument('folder', type=Path)
    parser.add_argument('--layout', choices=LAYOUTS, help='do not guess')
    parser.add_argument(
        '--ann-file', type=Path, nargs='+', help='COCO annotation files, if not in annotations/'
    )
    parser.add_argument('--decode', action='store_true', help='decode every image (slow)')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with one_sentence():
        faults = check_dataset(args.folder, args.layout, args.ann_file, args.decode)
    if faults:
        sys.exit(f'error: {faults} faults in {args.folder}, listed above')
    print('  sound')


if __name__ == '__main__':
    main()
