"""Look through a folder of annotated images: a page with a picture of each, and of what is wrong.

The page (index.html, with thumbnails beside it) needs no server. Images are sorted by name, by the number of objects or
by their sizes, and chosen by category and split; those that are nearly the same stand side by side.
"""

from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """example:
  %(prog)s data/mine --out work_dirs/mine_page""",
    )
    parser.add_argument('folder', type=Path, help='folder of images, annotated in any format')
    parser.add_argument('--out', type=Path, required=True, help='folder for the page')
    parser.add_argument(
        '--annotations', type=Path, help='folder of the annotations, if it is another one'
    )
    parser.add_argument(
        '--most', type=int, default=2000, help='images to show; of more, some evenly spaced'
    )
    args = parser.parse_args(argv)
    from mmgreen.browsing import browse

    with one_sentence():
        page, dataset = browse(args.folder, args.out, args.annotations, args.most)
    for line in dataset.account() if dataset else ():
        print(f'  {line}')
    print(page)
