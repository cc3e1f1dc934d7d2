"""Classify by the features of a frozen backbone: by nearest neighbours, or by a linear layer too.

The training images are the bank, the validation images are classified; both go
through the validation pipeline of a classification config. Features are what the
config's head would get: the last stage's map, averaged.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import add_allow_pickle, add_cfg_options, command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """example:
  %(prog)s configs/imagenet/green-swin-base-w7_8xb256-coslr-100e_in1k.py --cfg-options \\
      model.backbone.init_cfg.checkpoint=work_dirs/pretrain/epoch_100.pth
random features, to compare with: model.backbone.init_cfg=None""",
    )
    parser.add_argument('config', help='classification config')
    parser.add_argument('--k', type=int, nargs='+', default=[10, 20], help='neighbours that vote')
    parser.add_argument('--temperature', type=float, default=0.07)
    parser.add_argument(
        '--linear', action='store_true', help='fit a linear layer, too (minutes on many images)'
    )
    parser.add_argument(
        '--out', metavar='FILE.json', type=Path, help='write the accuracies to this file'
    )
    parser.add_argument('--device', help='by default the GPU, or else the CPU')
    add_cfg_options(parser)
    add_allow_pickle(parser)
    args = parser.parse_args(argv)
    from terminaltables import GithubFlavoredMarkdownTable

    from mmgreen.apis import classify_by_neighbours
    from mmgreen.files import write_whole

    with one_sentence():
        found = classify_by_neighbours(
            args.config, args.k, args.temperature, args.device, args.cfg_options, args.linear
        )
        if args.out:
            write_whole(args.out, json.dumps(asdict(found), indent=1))
    rows = [['k', 'top-1 %', 'top-5 %']]
    rows += [[str(k), f'{top1:.1f}', f'{top5:.1f}'] for k, (top1, top5) in found.accuracy.items()]
    if found.linear:
        rows.append(['linear', *(f'{value:.1f}' for value in found.linear)])
    chance = 100 / found.num_classes
    rows.append(['chance', f'{chance:.1f}', f'{min(5 * chance, 100):.1f}'])
    print(f'{found.bank} images in the bank, {found.classified} classified')
    print(GithubFlavoredMarkdownTable(rows).table)
