"""Draw a mask's visible units, the windows of each stage, and how they are grouped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmgreen.errors import UserError, one_sentence

from .arguments import command_parser

CONFIG = 'configs/greenmim/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k.py'


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__, 'example: %(prog)s data/demo/val/000000.jpg --mask-ratio 0.6 --out grouping.png'
    )
    parser.add_argument('image', type=Path, help='image file')
    parser.add_argument(
        '--config', default=CONFIG, help='pre-training config; by default of Swin-T'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('grouping.png'), help='picture to write, PNG, SVG or PDF'
    )
    parser.add_argument('--size', type=int, help="side in pixels; by default the backbone's")
    parser.add_argument('--mask-ratio', type=float, help="by default the config's")
    parser.add_argument('--seed', type=int, default=0, help='seed of the mask')
    args = parser.parse_args(argv)
    import cv2
    import torch

    from mmgreen.config import load_config
    from mmgreen.engine import build_model
    from mmgreen.images import read_image
    from mmgreen.visualization import draw_grouping

    with one_sentence():
        image = read_image(args.image)
        options = {} if args.mask_ratio is None else {'model.mask_ratio': args.mask_ratio}
        cfg = load_config(args.config, options)
        if cfg.model.type != 'mmgreen.GreenMIM':
            raise UserError(f'{args.config} describes {cfg.model.type}, not mmgreen.GreenMIM')
        model: Any = build_model(cfg)
        size = args.size or cfg.model.backbone.get('img_size', 224)
        mask = model.draw_mask((size, size), generator=torch.Generator().manual_seed(args.seed))
        layout = model.backbone.build_layout((size, size), mask)
        figure = draw_grouping(cv2.resize(image, (size, size)), model.backbone, layout)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        try:
            figure.savefig(args.out, dpi=110)
        except ValueError as error:
            raise UserError(f'--out {args.out} cannot be written: {error}') from error
    print(args.out)
