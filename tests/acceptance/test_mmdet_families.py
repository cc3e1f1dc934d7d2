"""mmdet's detectors with a GreenSwin backbone."""

import pytest
from mmdet_families import NOT_TRIED, families_table, family_names, try_families

from mmgreen.errors import UserError


def test_every_folder_of_mmdet_is_tried_or_said_why_not():
    left_out = [name for names in NOT_TRIED.values() for name in names]
    assert len(left_out) == len(set(left_out))
    assert {'mask_rcnn', 'dino', 'ssd'} <= set(family_names())
    assert not set(family_names()) & set(left_out)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr('mmdet_families._SIZE', (3, 96, 96))


@pytest.mark.parametrize('family', ['retinanet', 'fast_rcnn'])
def test_builds_trains_and_predicts(family):
    (row,) = try_families([family])
    assert row.steps == ('builds', 'trains', 'predicts'), row.why
    assert families_table([row]).splitlines()[-1].count('| yes ') == 3


def test_what_cannot_be_built_says_why(monkeypatch):
    monkeypatch.setattr('mmdet_families._CHANNELS', (1, 2, 3, 4))
    (row,) = try_families(['retinanet'])
    assert row.steps == ('builds',)
    assert row.why.startswith('RuntimeError: ')  # of channels
    assert ' no ' in families_table([row])


def test_an_unknown_family_is_refused():
    with pytest.raises(UserError, match='fastest_rcnn is not a family: choose from atss'):
        next(try_families(['fastest_rcnn']))
