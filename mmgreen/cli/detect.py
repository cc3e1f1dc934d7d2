"""Detect objects in a folder of images: one COCO file of all, and pictures of what was found.

The file (detections.json) has images, categories and, as annotations with a score each, what was
found: masks as run lengths, boxes, areas. Pictures are named as the images, in the same folders.
With --to, labelling tools can import it: a person then corrects and does not draw.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import UserError, one_sentence

from .arguments import add_allow_pickle, add_cfg_options, command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """example:
  %(prog)s configs/mine/detector.py work_dirs/mine_detector \\
      data/new --out found --threshold 0.5
to be corrected in a labelling tool:
  %(prog)s configs/mine/detector.py work_dirs/mine_detector \\
      data/new --out found --to cvat label-studio""",
    )
    parser.add_argument('config', help='config of the detector; its datasets need not be there')
    parser.add_argument(
        'checkpoint', help="its checkpoint, its run's folder, or an ONNX file exported from it"
    )
    parser.add_argument('images', type=Path, help='folder, or one image')
    parser.add_argument('--out', type=Path, required=True, help='folder for the results')
    parser.add_argument(
        '--threshold',
        type=float,
        help="lowest score to keep; by default the checkpoint's, the best by its validation",
    )
    parser.add_argument(
        '--tile',
        type=int,
        metavar='PIXELS',
        help='cut images into tiles of this side; by default as the config tests, 0: not',
    )
    parser.add_argument(
        '--overlap',
        type=float,
        help='share of a tile that neighbours have in common; by default as the config tests, or 0.2',
    )
    parser.add_argument('--batch-size', type=int, default=1, help='images at a time')
    parser.add_argument('--device', help='by default the GPU, or else the CPU')
    parser.add_argument(
        '--to',
        nargs='+',
        choices=['coco', 'cvat', 'label-studio', 'labelme', 'voc', 'yolo'],
        default=[],
        metavar='TOOL',
        help='write for labelling tools, too, each in a folder of its own: %(choices)s',
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1.0,
        metavar='PIXELS',
        help='with --to: how far outlines may be from masks; more means fewer corners to move',
    )
    parser.add_argument('--no-pictures', action='store_true', help='write the COCO file alone')
    add_cfg_options(parser)
    add_allow_pickle(parser)
    args = parser.parse_args(argv)
    from mmgreen.apis import Detector, detect_folder
    from mmgreen.files import write_keeping
    from mmgreen.prelabels import refuse_folders, write_prelabels

    result = args.out / 'detections.json'
    with one_sentence():
        if not args.no_pictures and not result.exists() and _holds_something(args.out):
            raise UserError(
                f'{args.out} holds files that are not of an earlier mmgreen detect, and pictures could replace '
                'them: name another folder (--out), or write none (--no-pictures)'
            )
        detector = Detector(
            args.config,
            args.checkpoint,
            args.device,
            args.threshold,
            args.tile,
            args.overlap,
            args.batch_size,
            args.cfg_options,
        )
        refuse_folders(args.out, args.to)
        pictures = None if args.no_pictures else args.out
        found = detect_folder(detector, args.images, pictures)
        write_keeping(result, json.dumps(found))
        folders = write_prelabels(found, args.images, args.out, args.to, args.tolerance)
    for folder in folders:
        print(f'to be imported: {folder} (docs/labelling.md says how)')
    print(
        f'{len(found["annotations"])} objects of a score of {detector.threshold:.2f} and above in '
        f'{len(found["images"])} images: {result}'
    )


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
