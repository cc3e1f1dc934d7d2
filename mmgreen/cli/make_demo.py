"""Make the demo dataset: fruit on textured tables, in COCO format.

Everything is drawn, nothing is downloaded, and the same seed gives the same
files. Besides the train and val splits with boxes and instance masks there is
an unlabelled split for pre-training.
"""

from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(__doc__, 'example: %(prog)s data/demo --train 400')
    parser.add_argument('folder', type=Path, help='folder to make; one already there is kept')
    parser.add_argument('--train', type=int, default=16, help='labelled images to train on')
    parser.add_argument('--val', type=int, default=160, help='labelled images to hold out')
    parser.add_argument('--unlabelled', type=int, default=2000, help='images to pre-train on')
    parser.add_argument('--size', type=int, default=192, help='side of an image in pixels')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args(argv)
    from mmgreen.datasets.demo import make_demo

    with one_sentence():
        made = make_demo(**vars(args))
    if not made:
        print(f'{args.folder} is there already')
        return
    print(f'{args.folder}: {args.train} train, {args.val} val, {args.unlabelled} unlabelled images')
