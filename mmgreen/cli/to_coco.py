"""Convert images annotated in LabelMe or Pascal VOC to a COCO annotation file.

The annotation of an image is the .json (LabelMe) or .xml (VOC) file of its name,
beside it or below --annotations. LabelMe's polygons, rectangles, circles and masks
become instance masks; shapes of one label and group_id are one instance. VOC has
boxes alone, and its difficult objects become crowd regions, which training and
evaluation ignore. Images without an annotation file are left out.
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
    parser.add_argument('--annotations', type=Path, help='folder of annotations, if another')
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
        help='write each VOC box as its mask, so that Mask R-CNN trains; mask AP then says nothing',
    )
    args = parser.parse_args(argv)
    from mmgreen.importing import to_coco

    with one_sentence():
        done = to_coco(**vars(args))
    for path, (images, annotations) in done.written.items():
        print(f'{path}: {images} images, {annotations} annotations')
    print(f'categories: {", ".join(done.categories)}')
    for what, count in done.left_out.items():
        if count:
            print(f'left out {count} {what}')
    if done.boxes_alone:
        print('boxes alone: Mask R-CNN needs masks (see --boxes-as-masks)')
