"""Evaluate a checkpoint: prints the COCO tables of a detector, and writes a report."""

import os
from collections.abc import Sequence

from mmgreen.errors import one_sentence

from .arguments import add_allow_pickle, add_cfg_options, add_data, add_launcher, command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        'example: %(prog)s configs/mask_rcnn/mask-rcnn_green-swin-tiny-w7_fpn_1x_coco.py '
        'work_dirs/mask-rcnn_green-swin-tiny-w7_fpn_1x_coco/epoch_12.pth --show-dir pictures',
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint', help="checkpoint, a run's folder, or an ONNX file exported from it"
    )
    parser.add_argument('--work-dir', help='folder for the log and the metrics')
    parser.add_argument('--out', metavar='FILE.pkl', help='save all predictions to this file')
    parser.add_argument('--show-dir', help='folder for pictures of the predictions')
    parser.add_argument(
        '--no-report', action='store_true', help='write no report of a COCO evaluation'
    )
    parser.add_argument(
        '--tile', type=int, metavar='PIXELS', help='cut large images into tiles of this side'
    )
    parser.add_argument(
        '--overlap', type=float, default=0.2, help='share of a tile that neighbours have in common'
    )
    add_data(parser)
    add_cfg_options(parser)
    add_allow_pickle(parser)
    add_launcher(parser)
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        parser.error(f'--out {args.out} must end in .pkl or .pickle')
    from mmgreen.apis import open_run, run_test
    from mmgreen.config import load_config, show_in
    from mmgreen.engine import leaving_at_once, tile_test

    with leaving_at_once(), one_sentence():
        cfg = load_config(args.config, args.cfg_options, args.work_dir)
        cfg.launcher = args.launcher
        if args.tile:
            tile_test(cfg, args.tile, args.overlap)
        if args.show_dir:
            show_in(cfg, args.show_dir)
        runner = open_run(cfg, 'test', args.checkpoint, args.data)
        path = run_test(runner, not args.no_report, args.out).report
    if path:
        print(f'Report: {path}')
