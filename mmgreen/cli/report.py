"""Report on COCO tests, several side by side, or on a pre-training run.

Writes report.html, which needs no network and no other file, report.md and
report.json.
"""

from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import one_sentence

from .arguments import command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        """examples:
  %(prog)s work_dirs/quickstart/test_pretrained
  %(prog)s work_dirs/a work_dirs/b --names scratch pre-trained --out compared
  %(prog)s seeds/none_* seeds/ours_* --names none none none ours ours ours
  %(prog)s a.segm.json b.segm.json --ann-file instances_val2017.json --images val2017
  %(prog)s work_dirs/quickstart/pretrain""",
    )
    parser.add_argument(
        'runs',
        nargs='+',
        type=Path,
        help='work dirs of mmgreen test, or COCO result files (JSON); the others are compared '
        'with the first; or a work dir of pre-training',
    )
    parser.add_argument(
        '--names',
        nargs='+',
        help='what the report calls them; runs of one name are '
        'a group, such as the seeds of one training: their mean is shown',
    )
    parser.add_argument('--ann-file', type=Path, help='annotation file of result files')
    parser.add_argument('--images', type=Path, help='folder of the images, for pictures')
    parser.add_argument('--out', type=Path, default=Path('report'), help='folder to write into')
    args = parser.parse_args(argv)
    from mmgreen.report import write_report

    with one_sentence():
        path = write_report(args.runs, args.out, args.names, args.ann_file, args.images)
    print(f'Report: {path}')
