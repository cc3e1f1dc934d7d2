"""The pages' tables are what the studies' committed results say."""

import json
import sys

import pytest
from helpers import ROOT

sys.path.insert(0, str(ROOT / 'docs'))
import evidence


@pytest.mark.parametrize('page', evidence.PAGES)
def test_tables_are_made_of_the_results(page):
    text = (ROOT / page).read_text()
    assert '<!-- results: ' in text
    assert evidence.fill(page) == text, 'python docs/evidence.py'


def test_the_figure_can_be_drawn_again():
    assert 'photographs' in evidence.draw().lower()


def row(start, seed, ap, **more):
    figures = dict(AP=ap, AP50=2 * ap, interval=[ap - 0.01, ap + 0.01])
    known = dict(labels=8, before=1.0, minutes=2.0, steps=100, bbox=figures, segm=figures)
    return dict(start=start, seed=seed) | known | more


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, 'FILES', tmp_path)

    def write(starts, rows, name='results.json'):
        path = tmp_path / name
        path.write_text(json.dumps(dict(starts=starts, detectors=rows, features=[])))
        return path

    return write


def test_runs_of_several_machines_become_one_table(written):
    """Pairs are of one seed each; the interval is Student's, by hand; a run again replaces itself."""
    evidence.add(
        written(['none', 'ours'], [row('none', s, a) for s, a in enumerate((0.1, 0.2))]), 'x'
    )
    evidence.add(written(['ours'], [row('ours', 1, 0.9)]), 'x')
    evidence.add(
        written(['ours'], [row('ours', s, a) for s, a in ((1, 0.23), (0, 0.12), (2, 0.5))]), 'x'
    )
    *_, nothing, ours = evidence.table('x').splitlines()
    assert nothing == '| none | 2 | 100 | 3 | 15.0 |  | 15.0 |  |'
    # Of +2 and +3: their mean, and 12.71 times the error of it.
    assert (
        ours == '| ours | 3 | 100 | 3 | 28.3 | +2.5 (-3.9 to +8.9) | 28.3 | +2.5 (-3.9 to +8.9) |'
    )


def test_what_is_certain_is_bold_and_one_seed_has_no_interval(written):
    rows = [row('none', s, 0.1) for s in (0, 1)] + [
        row('a', 0, 0.2),
        row('a', 1, 0.2001),
        row('b', 0, 0.3),
    ]
    evidence.add(written(['none', 'a', 'b'], rows), 'x')
    *_, a, b = evidence.table('x').splitlines()
    assert '| **+10.0** (+9.9 to +10.1) | 20.0 |' in a
    assert '| +20.0, one seed |' in b


def test_detectors_of_boxes_alone_have_a_table(written):
    rows = [row('none', 0, 0.1), row('a', 0, 0.2)]
    for each in rows:
        del each['segm']
    evidence.add(written(['none', 'a'], rows), 'x')
    head, _, _, a = evidence.table('x').splitlines()
    assert head == '| start | seeds | steps | minutes | box AP | won |'
    assert a == '| a | 1 | 100 | 3 | 20.0 | +10.0, one seed |'
