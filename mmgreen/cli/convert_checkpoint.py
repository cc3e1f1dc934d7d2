"""Convert a Swin or Twins checkpoint of another project into one of this project, or back.

What the source is follows from the names of its weights: GreenMIM, SimMIM or Swin
(version 1) by the official names, timm's, transformers', or those of mmpretrain, mmdetection and
this project. The result is verified before it is written: converted back it equals
the source to the bit, and it gives the same outputs as the source's own library,
where that is installed.
"""

from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import add_allow_pickle, command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """examples:
  %(prog)s swin_base_patch4_window7_224.pth swin-base.pth
  %(prog)s work_dirs/pretrain/epoch_100.pth swin_base_timm.pth --to timm
  %(prog)s work_dirs/pretrain/epoch_100.pth swin_base_on_fruit --to timm""",
    )
    parser.add_argument('src', type=Path, help='checkpoint to read')
    parser.add_argument(
        'dst',
        type=Path,
        help='checkpoint to write: FILE.pth, FILE.safetensors or, with --to timm or transformers, a folder '
        'with a model card, as for the Hugging Face Hub',
    )
    parser.add_argument(
        '--to',
        choices=['mmgreen', 'swin', 'timm', 'transformers'],
        default='mmgreen',
        help='whose names to write: mmgreen (which are those of mmpretrain; the default), the '
        "official ones of Swin, or those of timm or of Hugging Face's transformers",
    )
    add_allow_pickle(parser)
    args = parser.parse_args(argv)
    from mmgreen.apis import convert_checkpoint

    with one_sentence():
        convert_checkpoint(args.src, args.dst, args.to)
