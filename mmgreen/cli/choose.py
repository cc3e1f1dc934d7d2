"""Choose the images to label next: those a detector is in doubt of, and that stand for many others.

Chosen are images that are in doubt (by the scores of what is found, and by what the mirrored image shows
otherwise) and that stand for many others, by what the backbone sees; of nearly the same images one, and none that
is labelled already: none of the folder's own annotations, of the config's, or of --labelled. Without a checkpoint of a
detector the backbone chooses alone, for the first images of all. Written are images/, copies to be labelled;
chosen.csv, the best first; and index.html. An experiment: no detector was better for it than for images drawn at random yet
(docs/labelling.md).
"""

from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import add_allow_pickle, add_cfg_options, command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """example:
  %(prog)s configs/mine/detector.py work_dirs/mine_detector \\
      data/all --number 50 --out next
the first images, by what a pre-training has learnt of them:
  %(prog)s configs/mine/pretrain.py work_dirs/mine_pretrain \\
      data/all --number 50 --out first""",
    )
    parser.add_argument('config', help='config of a detector, or of a pre-training')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help="its checkpoint or its run's folder; of a detector that starts from trained weights it can be left out",
    )
    parser.add_argument('images', type=Path, help='folder')
    parser.add_argument('--number', type=int, default=50, help='images to choose (default: 50)')
    parser.add_argument('--out', type=Path, required=True, help='folder for what is chosen')
    parser.add_argument(
        '--labelled',
        type=Path,
        nargs='+',
        default=[],
        metavar='FOLDER',
        help="annotated images elsewhere, beside the config's",
    )
    parser.add_argument('--device', help='by default the GPU, or else the CPU')
    add_cfg_options(parser)
    add_allow_pickle(parser)
    args = parser.parse_args(argv)
    if args.number < 1:
        parser.error(f'--number {args.number} is no number of images')
    from mmgreen.choosing import (
        Eyes,
        choose,
        images_of_folder,
        labelled_images,
        refuse_used,
        write_choices,
    )
    from mmgreen.config import load_config

    with one_sentence():
        refuse_used(args.out)
        cfg = load_config(args.config, args.cfg_options)
        images, annotated = images_of_folder(args.images)
        labelled = list(dict.fromkeys([*labelled_images(cfg, args.labelled), *annotated]))
        eyes = Eyes(cfg, args.checkpoint, args.device)
        chosen, account = choose(eyes, images, args.number, labelled)
        page = write_choices(args.out, args.images, chosen, eyes.classes, account)
    for line in account:
        print(f'  {line}')
    print(page)
