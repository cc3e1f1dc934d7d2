"""Compare detectors that start from different pre-trainings.

A study file names starts, numbers of labelled images and seeds. Every run is one of
mmgreen train, mmgreen test or mmgreen knn in a folder of its own, together
with its config. Finished runs are not repeated: start the study again after an interruption,
or with more seeds. At the end report.html, report.md and report.json are written beside them.
A part of a study can be run by itself, and the report is of this part then.

With --data instead of a study file, one is made for a folder of your own annotated images: whether a
detector should start from scratch, from a pre-training on them, or from a net of ImageNet.
"""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        'examples: %(prog)s configs/studies/nuclei.py --jobs 2\n'
        '          %(prog)s configs/studies/nuclei.py --starts none nuclei --labels 32\n'
        '          %(prog)s --data data/mine --labels 32 128 --minutes 60',
    )
    parser.add_argument('study', type=Path, nargs='?', help='study file')
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time')
    parser.add_argument('--starts', nargs='+', help='only these, by name')
    parser.add_argument('--labels', nargs='+', type=int, help='only these numbers of images')
    parser.add_argument(
        '--data', type=Path, metavar='FOLDER', help='annotated images to make a study of'
    )
    parser.add_argument(
        '--minutes',
        type=float,
        default=60.0,
        help='time of all its trainings (default: %(default)g)',
    )
    parser.add_argument(
        '--out', type=Path, help='folder of the study (default: work_dirs/study_FOLDER)'
    )
    parser.add_argument('--seeds', nargs='+', type=int, help='only these')
    parser.add_argument(
        '--report-only', action='store_true', help='run nothing, and report on the finished runs'
    )
    args = parser.parse_args(argv)
    # The runs in progress save what they have, and end before the study does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    if (args.study is None) == (args.data is None):
        parser.error('name a study file, or --data FOLDER')
    from mmgreen.recipes import this_machine
    from mmgreen.study import read_plan, run_plan, study_of_folder, write_study_report

    with one_sentence():
        if args.data:
            args.study = study_of_folder(
                args.data,
                args.out or Path('work_dirs', f'study_{args.data.resolve().name}'),
                this_machine(),
                args.labels or [32, 128],
                args.minutes,
                args.seeds or (0, 1),
            )
        plan = read_plan(args.study).part(args.starts, args.labels, args.seeds)
        if not args.report_only:
            try:
                run_plan(plan, args.jobs)
            except KeyboardInterrupt:
                print('Stopped: what is done stays, and the same command goes on.', file=sys.stderr)
                raise
        path = write_study_report(plan)
    print(f'Report: {path}')
