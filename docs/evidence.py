#!/usr/bin/env python
"""Put the results of studies into the pages that tell of them: tables, and a figure.

A study writes ``results.json``; those that pages tell of are ``docs/evidence/*.json``. Rows of a run are
added to what is there, so that several short runs, on several machines, become one table.
"""

import argparse
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

ROOT = Path(__file__).resolve().parent.parent
FILES = ROOT / 'docs/evidence'
FIGURE = ROOT / 'docs/images/evidence.svg'
PAGES = (
    *('docs/evidence.md', 'docs/labelling.md', 'docs/unlabelled.md'),
    *('README.md', 'README_zh-CN.md'),
)
# AP by which a start must be ahead of all others to be set in bold.
_AHEAD = 0.02
COLOURS = ('#7a7a7a', '#2f81c7', '#2a9d6f', '#d9822b', '#c2558a')
#: What the first page tells: by dataset and labels, the best of each kind of start.
FIRST = (
    ('photographs', 1000, ('none', 'pixels', 'teacher', 'imagenet_net')),
    ('photographs_longer', 1000, ('none', None, 'teacher', None)),
    ('cells_starts', 128, ('none', None, None, 'imagenet_net')),
    ('cells_to_the_end', 32, ('none', 'cells', None, 'imagenet_net')),
)
WORDS = {
    'README.md': {
        'header': (
            'box AP (seeds)',
            'from scratch',
            'own pre-training',
            'taught by a teacher',
            'net of ImageNet',
        ),
        'photographs': '1,000 photographs, VOC, 25 minutes',
        'photographs_longer': 'the same, 45 minutes',
        'cells_starts': '128 images of cells, 30 to 40 minutes',
        'cells_to_the_end': '32 images of cells, 1,500 steps at most',
    },
    'README_zh-CN.md': {
        'header': (
            '框 AP（种子数）',
            '从零开始',
            '自己的预训练',
            '教师指导的预训练',
            'ImageNet 网络',
        ),
        'photographs': 'VOC 的 1,000 张照片，25 分钟',
        'photographs_longer': '同上，45 分钟',
        'cells_starts': '128 张细胞图像，30 至 40 分钟',
        'cells_to_the_end': '32 张细胞图像，至多 1,500 步',
    },
}


def read(name: str) -> dict[str, Any]:
    """A study's results."""
    content: dict[str, Any] = json.loads((FILES / f'{name}.json').read_text(encoding='utf-8'))
    return content


def add(results: Path, name: str) -> None:
    """Put the rows of a study into a file of the pages: a run that is there is replaced."""
    new = json.loads(results.read_text(encoding='utf-8'))
    path = FILES / f'{name}.json'
    old = read(name) if path.is_file() else dict(starts=[], detectors=[], features=[])
    merged: dict[str, Any] = dict(starts=list(dict.fromkeys(old['starts'] + new['starts'])))
    for kind in ('detectors', 'features'):
        rows = {_run(row): row for row in old[kind] + new[kind]}
        merged[kind] = sorted(
            rows.values(), key=lambda r: (merged['starts'].index(r['start']), _run(r)[1:])
        )
    path.write_text(json.dumps(merged, indent=1) + '\n', encoding='utf-8')


def _run(row: dict) -> tuple:
    return row['start'], row.get('labels', 0), row['seed']


def table(name: str) -> str:
    """Detectors, or features where there are none: a row for each start, Markdown."""
    found = read(name)
    if not found['detectors']:
        return _features(found)
    several = sorted({row['labels'] for row in found['detectors']})
    head = ['labels'] if len(several) > 1 else []
    head += ['start', 'seeds', 'steps', 'minutes']
    # Of boxes alone, where some detectors have no masks.
    kinds = [kind for kind in ('bbox', 'segm') if all(kind in r for r in found['detectors'])]
    for kind in kinds:
        head += [dict(bbox='box AP', segm='mask AP')[kind], 'won']
    rows = [_row(head), '|---' * len(head) + '|']
    for labels in several:
        base = _of(found, found['starts'][0], labels)
        for start in found['starts']:
            runs = _of(found, start, labels)
            if not runs:
                continue
            known = [r for r in runs.values() if None not in (r['before'], r['minutes'])]
            cells = [f'{labels:,}'] if len(several) > 1 else []
            cells += [start, str(len(runs))]
            cells.append(f'{np.mean([r["steps"] for r in runs.values()]):,.0f}')
            minutes = [r['before'] + r['minutes'] for r in known]
            cells.append(f'{np.mean(minutes):.0f}' if minutes else '')
            won = base and start != found['starts'][0]
            for kind in kinds:
                cells.append(f'{100 * np.mean([run[kind]["AP"] for run in runs.values()]):.1f}')
                cells.append(_won(_gains(runs, base, kind)) if won else '')
            rows.append(_row(cells))
    return '\n'.join(rows)


def _row(cells: Sequence[str]) -> str:
    return f'| {" | ".join(cells)} |'


def _features(found: dict) -> str:
    rows = [
        '| start | seeds | nearest neighbours | linear layer | neighbours won | linear won |',
        '|---|---|---|---|---|---|',
    ]
    of = {
        start: {r['seed']: r for r in found['features'] if r['start'] == start}
        for start in found['starts']
    }
    base = of[found['starts'][0]]
    for start, runs in of.items():
        kinds = ('neighbours', 'linear')
        cells = [start, str(len(runs))]
        cells += [f'{np.mean([r[kind] for r in runs.values()]):.1f}' for kind in kinds]
        gains = [
            [r[kind] - base[seed][kind] for seed, r in runs.items() if seed in base]
            for kind in kinds
        ]
        cells += [_won(each) if runs is not base else '' for each in gains]
        rows.append(_row(cells))
    return '\n'.join(rows)


def _of(found: dict, start: str, labels: int) -> dict[int, dict]:
    rows = (r for r in found['detectors'] if (r['start'], r['labels']) == (start, labels))
    return {row['seed']: row for row in rows}


def _gains(runs: dict[int, dict], base: dict[int, dict], kind: str) -> list[float]:
    """Points of AP, by seed."""
    return [
        100 * (run[kind]['AP'] - base[seed][kind]['AP'])
        for seed, run in runs.items()
        if seed in base
    ]


def _won(gains: Sequence[float]) -> str:
    """The mean of differences that are paired by seed, and Student's interval of 95 %."""
    if not gains:
        return ''
    text = f'{np.mean(gains):+.1f}'
    if len(gains) < 2:
        return f'{text}, one seed'
    half = _half(gains)
    low, high = np.mean(gains) - half, np.mean(gains) + half
    bold = '**' if low > 0 or high < 0 else ''
    return f'{bold}{text}{bold} ({low:+.1f} to {high:+.1f})'


def _half(values: Sequence[float]) -> float:
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def first_table(page: str) -> str:
    """Rows of box AP for a first page."""
    words = WORDS[page]
    rows = [_row(words['header']), '|---|---|---|---|---|']
    for name, labels, starts in FIRST:
        found = read(name)
        cells = [words[name]]
        each = [_of(found, start, labels) if start else {} for start in starts]
        values = [
            float(np.mean([run['bbox']['AP'] for run in runs.values()])) if runs else 0
            for runs in each
        ]
        for runs, value in zip(each, values, strict=True):
            text = f'{100 * value:.1f} ({len(runs)})' if runs else ''
            ahead = value >= sorted(values)[-2] + _AHEAD
            cells.append(f'**{text}**' if ahead else text)
        rows.append(_row(cells))
    return '\n'.join(rows)


def draw() -> str:
    """AP over the minutes of pre-training and detector together, SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.8))
    left, right = figure.subplots(1, 2)
    starts = ('none', 'pixels', 'cells', 'teacher', 'imagenet_net')
    colours = dict(zip(starts, COLOURS, strict=True))
    _lines(left, [read('photographs'), read('photographs_longer')], 1000, colours)
    left.set_title('Photographs: 1,000 labels', fontsize=11)
    _curves(right, read('cells_to_the_end'), 32, colours)
    right.set_title('Cells: 32 labels, until nothing is gained', fontsize=11)
    for axes in (left, right):
        axes.set_xlabel('minutes of pre-training and detector')
        axes.set_ylim(0)
        axes.set_xlim(0)
        axes.grid(color='#dddddd', linewidth=0.6)
        axes.spines[['top', 'right']].set_visible(False)
        axes.legend(frameon=False, fontsize=9, loc='best')
    left.set_ylabel('AP of boxes')
    right.set_ylabel('AP of masks')
    figure.tight_layout()
    buffer = io.StringIO()
    # The same results give the same file; text stays text.
    with matplotlib.rc_context({'svg.hashsalt': 'evidence', 'svg.fonttype': 'none'}):
        figure.savefig(buffer, format='svg', metadata=dict(Date=None), facecolor='white')
    return buffer.getvalue()


def _lines(axes: Any, studies: Sequence[dict], labels: int, colours: dict[str, str]) -> None:
    """A point for each study's mean over seeds, with its interval; those of a start are joined."""
    for start, colour in colours.items():
        points = []
        for found in studies:
            runs = list(_of(found, start, labels).values())
            if runs:
                values = [100 * run['bbox']['AP'] for run in runs]
                at = float(np.mean([run['before'] + run['minutes'] for run in runs]))
                low, high = (100 * end for end in runs[0]['bbox']['interval'])
                if len(values) > 1:
                    low, high = (np.mean(values) + sign * _half(values) for sign in (-1, 1))
                points.append((at, float(np.mean(values)), low, high))
        if points:
            x, y, low, high = zip(*sorted(points), strict=True)
            axes.plot(x, y, 'o-', color=colour, label=start)
            axes.vlines(x, np.maximum(low, 0), high, color=colour, linewidth=1.2)


def _curves(axes: Any, found: dict, labels: int, colours: dict[str, str]) -> None:
    """AP of masks on images that were held out while the detectors learnt, and at the end on the test's."""
    for start, colour in colours.items():
        for i, run in enumerate(_of(found, start, labels).values()):
            x, y = zip(*run['curve'], strict=True)
            x = [run['before'] + minutes for minutes in x]
            label = start if i == 0 else None
            axes.plot(x, 100 * np.array(y), '-', color=colour, label=label, alpha=0.8)
            axes.plot(x[-1], 100 * run['segm']['AP'], 'o', color=colour)
            ends = [100 * end for end in run['segm']['interval']]
            axes.vlines(x[-1], *ends, color=colour, linewidth=1.2)


def fill(page: str) -> str:
    """A page with its tables made anew."""

    def made(match: re.Match) -> str:
        content = first_table(page) if match[1] == 'first' else table(match[1])
        return f'<!-- results: {match[1]} -->\n\n{content}\n\n<!-- end -->'

    text = (ROOT / page).read_text(encoding='utf-8')
    return re.sub(r'<!-- results: (\w+) -->\n.*?<!-- end -->', made, text, flags=re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='examples: %(prog)s\n          %(prog)s --add work_dirs/photographs/results.json photographs',
    )
    parser.add_argument(
        '--add',
        nargs=2,
        metavar=('RESULTS', 'NAME'),
        help='put the rows of a study into docs/evidence/NAME.json before',
    )
    args = parser.parse_args()
    if args.add:
        add(Path(args.add[0]), args.add[1])
    for page in PAGES:
        (ROOT / page).write_text(fill(page), encoding='utf-8')
    FIGURE.write_text(draw(), encoding='utf-8')


if __name__ == '__main__':
    main()
