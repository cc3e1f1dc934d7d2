"""Time a detector and the ONNX file exported from it, in turn, on the CPU.

OMP_NUM_THREADS limits the threads of PyTorch; onnxruntime takes all cores that the process may use.
"""

from collections.abc import Sequence

from mmgreen.errors import one_sentence

from .arguments import add_allow_pickle, add_cfg_options, command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__, 'example: %(prog)s configs/mine/detector.py epoch_12.pth epoch_12.onnx'
    )
    parser.add_argument('config', help='config file of the detector')
    parser.add_argument('checkpoint', help="its checkpoint, or its run's folder")
    parser.add_argument('exported', help='ONNX file exported from it')
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        default=(800, 1333),
        metavar=('HEIGHT', 'WIDTH'),
        help='of the image, before the config resizes it (default: 800 1333)',
    )
    parser.add_argument(
        '--rounds', type=int, default=5, help='times that each sees it (default: 5)'
    )
    add_cfg_options(parser)
    add_allow_pickle(parser)
    args = parser.parse_args(argv)
    from mmgreen.apis import time_exported

    with one_sentence():
        print(
            time_exported(
                args.config,
                args.checkpoint,
                args.exported,
                tuple(args.size),
                args.rounds,
                args.cfg_options,
            )
        )
