"""Draw the visible patches, what a pre-trained model predicts, and the original image."""

from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        'example: %(prog)s configs/quickstart/greenmim_swin-nano_demo.py '
        'work_dirs/quickstart/pretrain/epoch_15.pth data/demo/val/00000*.jpg --out grid.png',
    )
    parser.add_argument('config', help='pre-training config')
    parser.add_argument('checkpoint', help="its checkpoint, or its run's folder")
    parser.add_argument('images', nargs='+', type=Path, help='image files')
    parser.add_argument('--out', type=Path, default=Path('reconstruction.png'))
    parser.add_argument('--size', type=int, help="side in pixels; by default the backbone's")
    parser.add_argument('--seed', type=int, default=0, help='seed of the masks')
    args = parser.parse_args(argv)
    import cv2

    from mmgreen.apis import reconstruct

    with one_sentence():
        picture = reconstruct(args.config, args.checkpoint, args.images, args.size, args.seed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(args.out), picture[..., ::-1])
    print(f'{args.out}: masked, predicted, original')
