"""Check a dataset before a run: ImageNet's format, COCO's, or a folder of images.

The format is recognised: a folder 'annotations' with JSON files is COCO, class
folders below 'train' are ImageNet, anything else is a folder of images. Ends with
status 1 if something is missing or cannot be used.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """examples:
  %(prog)s data/coco
  %(prog)s data/coco --fix data/coco/annotations/a.json data/coco/train fixed.json""",
    )
    parser.add_argument('folder', type=Path)
    parser.add_argument(
        '--layout',
        choices=['imagenet', 'coco', 'images'],
        help='use this format instead of guessing',
    )
    parser.add_argument(
        '--ann-file', type=Path, nargs='+', help='COCO annotation files, if not in annotations/'
    )
    parser.add_argument('--decode', action='store_true', help='decode every image (slow)')
    parser.add_argument(
        '--statistics', action='store_true', help='measure depth, range and channels of some images'
    )
    parser.add_argument(
        '--fix',
        nargs=3,
        type=Path,
        metavar=('ANN.json', 'IMAGES', 'OUT.json'),
        help='write a corrected annotation file, of what has one right answer only (ids, flat '
        'polygons, missing area and iscrowd, swapped sizes), and check it',
    )
    args = parser.parse_args(argv)
    from mmgreen.datasets.mending import mend_annotations
    from mmgreen.importing.checking import check_dataset

    with one_sentence():
        files = args.ann_file
        if args.fix:
            ann_file, images, out = args.fix
            for what in mend_annotations(ann_file, out, images):
                print(f'{out}: {what}')
            files = [out]
        faults = check_dataset(args.folder, args.layout, files, args.decode, args.statistics)
    if faults:
        sys.exit(f'error: {faults} faults in {args.folder}, listed above')
    print('  sound')
