#!/usr/bin/env python
"""Try every detector of mmdet's configs with a GreenSwin backbone.

Each is built, trained for a step on two made images and run on them; the table says what became of
it. Nothing is downloaded, and weights are random. All take half an hour on one core.
"""

import argparse

from mmgreen.errors import one_sentence


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: %(prog)s retinanet dino',
    )
    parser.add_argument('families', nargs='*', help='folders of mmdet/configs; by default all')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    from rich.progress import track

    from mmgreen.benchmark import families_table, family_names, try_families

    with one_sentence():
        names = args.families or family_names()
        tried = []
        for row in track(try_families(names), 'Families', total=len(names)):
            tried.append(row)
            print(f'{row.family}: {row.why or "runs"}', flush=True)
    print(families_table(tried))


if __name__ == '__main__':
    main()
