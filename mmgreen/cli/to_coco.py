"""Convert annotated images of any format to a COCO annotation file.

Every format that mmgreen make-config knows is read: LabelMe, Pascal VOC, YOLO, CVAT, Label Studio
and others. Boxes alone become masks with --boxes-as-masks. VOC's difficult objects become crowd
regions, which training and evaluation ignore. What is left out is listed, with the reason.
"""

from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """examples:
  %(prog)s data/mine/images data/mine/train.json --val data/mine/val.json
  %(prog)s VOC2012/JPEGImages voc.json --annotations VOC2012/Annotations --boxes-as-masks""",
    )
    parser.add_argument('images', type=Path, help='folder of images')
    parser.add_argument('out', type=Path, help='annotation file to write')
    parser.add_argument(
        '--annotations', type=Path, help='folder of LabelMe or VOC files, if another'
    )
    parser.add_argument('--val', type=Path, help='write held-out images to this file')
    parser.add_argument(
        '--val-share',
        type=float,
        default=0.2,
        help='share of the images to hold out (default: 0.2)',
    )
    parser.add_argument(
        '--categories', type=Path, help='use the categories of this COCO file, in its order'
    )
    parser.add_argument(
        '--boxes-as-masks',
        action='store_true',
        help='write each box as its mask, so that Mask R-CNN trains; mask AP then says nothing',
    )
    args = parser.parse_args(argv)
    from mmgreen.importing import to_coco

    with one_sentence():
        done = to_coco(**vars(args))
    for path, (images, annotations) in done.written.items():
        print(f'{path}: {images} images, {annotations} annotations')
    print(f'categories: {", ".join(done.categories)}')
    for line in (*done.dataset.account(), *done.dataset.notes):
        print(line)
    if done.boxes_alone:
        print('boxes alone: Mask R-CNN needs masks (see --boxes-as-masks)')
