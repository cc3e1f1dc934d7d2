"""Open a page to try a detector on: drop images, see what is found, download it as COCO JSON.

The checkpoint may be an ONNX file of mmgreen export. Whoever can reach the address can use
the page: it is this machine alone unless --host says otherwise, and --password keeps others out. Images are
measured before they are decoded; /health says which model answers.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import UserError, one_sentence

from .arguments import add_allow_pickle, add_cfg_options, command_parser

#: Names of this machine for itself.
_HERE = ('localhost', '127.0.0.1', '::1')


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__, 'example: %(prog)s configs/mine/detector.py work_dirs/mine_detector'
    )
    parser.add_argument('config', help='config file of the detector')
    parser.add_argument(
        'checkpoint', help="its checkpoint, its run's folder, or an ONNX file exported from it"
    )
    parser.add_argument('--device', help='by default the GPU, or else the CPU')
    parser.add_argument(
        '--host', default='127.0.0.1', help='address to listen on (default: this machine alone)'
    )
    parser.add_argument(
        '--allow-host',
        nargs='+',
        default=[],
        metavar='NAME',
        help='names by which others reach the page, with --host 0.0.0.0; by default any there',
    )
    parser.add_argument(
        '--password',
        help='ask for it; by default $MMGREEN_PASSWORD, which no list of processes shows',
    )
    parser.add_argument('--port', type=int, default=8000, help='port (default: 8000)')
    add_cfg_options(parser)
    add_allow_pickle(parser)
    args = parser.parse_args(argv)
    with one_sentence():
        try:
            import uvicorn

            from mmgreen.serve import create_app
        except ImportError as error:
            raise UserError(
                f'{error.name} must be installed: pip install fastapi uvicorn'
            ) from error
        from mmgreen.apis import Detector

        # What scores less is of no use, and would be sent to the page with its mask.
        detector = Detector(
            args.config,
            args.checkpoint,
            device=args.device,
            threshold=0.05,
            cfg_options=args.cfg_options,
        )
    everywhere = args.host in ('0.0.0.0', '::')
    hosts = [] if everywhere and not args.allow_host else [*args.allow_host, args.host, *_HERE]
    password = args.password or os.environ.get('MMGREEN_PASSWORD')
    name = Path(str(args.checkpoint)).name
    app = create_app(detector, name, password, hosts)
    uvicorn.run(app, host=args.host, port=args.port, timeout_keep_alive=30)
