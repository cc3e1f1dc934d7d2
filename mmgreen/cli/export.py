"""Write a trained detector as an ONNX file, which runs without mmgreen, mmdet or torch.

tools/deploy/run_onnx.py shows how to use it, and mmgreen test evaluates it in the place of a
checkpoint. Exporting takes a minute or two.
"""

from collections.abc import Sequence

from mmgreen.errors import one_sentence

from .arguments import add_allow_pickle, add_cfg_options, command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        'example: %(prog)s configs/mask_rcnn/mask-rcnn_green-swin-tiny-w7_fpn_1x_coco.py '
        'work_dirs/mask-rcnn_green-swin-tiny-w7_fpn_1x_coco/epoch_12.pth',
    )
    parser.add_argument('config', help='config file of the detector')
    parser.add_argument('checkpoint', help="its checkpoint, or its run's folder")
    parser.add_argument('--out', metavar='FILE', help='by default beside the checkpoint')
    parser.add_argument(
        '--half',
        action='store_true',
        help='layers of 16 bits: half the file, and faster on GPUs; boxes keep 32',
    )
    parser.add_argument(
        '--int8',
        action='store_true',
        help='layers of 8 bits: half the file, and faster on processors; 32 training images say in which ranges',
    )
    parser.add_argument(
        '--batch',
        action='store_true',
        help='a file that takes any number of images at once, padded to one size, and their sizes',
    )
    parser.add_argument(
        '--backbone',
        action='store_true',
        help='write the backbone alone: as a program of torch.export (.pt2, a Swin), or, by --out FILE.onnx, for '
        'the features of an image, of a pre-training too',
    )
    add_cfg_options(parser)
    add_allow_pickle(parser)
    args = parser.parse_args(argv)
    if args.backbone and (args.half or args.int8 or args.batch):
        parser.error('--half, --int8 and --batch are of detectors: leave out --backbone')
    from pathlib import Path

    from mmgreen.apis import export_backbone, export_detector
    from mmgreen.checkpoints import find_checkpoint
    from mmgreen.files import keep_copy

    with one_sentence():
        checkpoint = Path(find_checkpoint(args.checkpoint))
        out = Path(args.out or checkpoint.with_suffix('.pt2' if args.backbone else '.onnx'))
        if out.is_file() and b'mmgreen' not in out.read_bytes():  # which an exported file names
            keep_copy(out)
        if args.backbone:
            export_backbone(args.config, checkpoint, out, args.cfg_options)
        else:
            options = dict(half=args.half, int8=args.int8, batch=args.batch)
            export_detector(args.config, checkpoint, out, args.cfg_options, **options)
    print(f'{out}: {out.stat().st_size / 2**20:.1f} MiB')
