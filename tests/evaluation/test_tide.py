"""Kinds of errors: each planted once, by hand."""

import numpy as np
import pytest
from faster_coco_eval import COCO
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_coco

from mmgreen.evaluation import KINDS, coco_evaluator, coco_figures, find_errors, match_detections

CAT, DOG = 1, 2


def planted(*kinds):
    """An image a kind, of one cat and, where it takes two, one dog; and what was found in it.

    Boxes of 100 x 100: shifted by 10 they overlap by 0.82, by 50 by 0.33.
    """
    truth = dict(
        images=[],
        annotations=[],
        categories=[dict(id=CAT, name='cat'), dict(id=DOG, name='dog')],
    )
    found = []

    def box(shift=0, x=0):
        return [float(x + shift), 0.0, 100.0, 100.0]

    def image(objects, detections):
        number = len(truth['images']) + 1
        truth['images'].append(dict(id=number, file_name=f'{number}.jpg', height=400, width=400))
        for category, bbox in objects:
            truth['annotations'].append(
                dict(
                    id=len(truth['annotations']) + 1,
                    image_id=number,
                    category_id=category,
                    bbox=bbox,
                    area=10000.0,
                    iscrowd=0,
                )
            )
        for category, bbox, score in detections:
            found.append(dict(image_id=number, category_id=category, bbox=bbox, score=score))

    # What is right, of both categories, so that each has an AP.
    image([(CAT, box()), (DOG, box(x=200))], [(CAT, box(), 0.5), (DOG, box(x=200), 0.5)])
    cases = {
        'class': ([(CAT, box())], [(DOG, box(10), 0.9)]),
        'localisation': ([(CAT, box())], [(CAT, box(50), 0.9)]),
        # The dog is found, so nothing else is wrong.
        'both': ([(DOG, box())], [(DOG, box(), 0.9), (CAT, box(50), 0.95)]),
        'duplicate': ([(CAT, box())], [(CAT, box(), 0.9), (CAT, box(10), 0.8)]),
        'background': ([], [(CAT, box(), 0.9)]),
        'missed': ([(CAT, box())], []),
    }
    for kind in kinds:
        image(*cases[kind])
    return truth, found


def errors_of(truth, found):
    evaluator = coco_evaluator(COCO(truth), found, 'bbox')
    return find_errors(match_detections(evaluator)), coco_figures(evaluator)


def test_each_kind_planted_once_is_found_once():
    errors, figures = errors_of(*planted(*KINDS))
    assert errors.count == dict.fromkeys(KINDS, 1)
    assert errors.ap50 == pytest.approx(figures.figures['AP50'], abs=1e-12)


@pytest.mark.parametrize(
    ('kind', 'before'),
    [
        # AP50 of cats and dogs, by hand. Recall is counted at 101 points.
        ('class', (51 / 101 + 0.5) / 2),  # cats: 1 of 2 found; dogs: behind a false one
        ('localisation', (51 / 101 * 0.5 + 1) / 2),  # 1 of 2 cats found, behind a false one
        ('both', (0.5 + 1) / 2),  # a false cat before the right one
        ('duplicate', (51 / 101 + 50 / 101 * 2 / 3 + 1) / 2),  # right, false, right
        ('background', (0.5 + 1) / 2),
        ('missed', (51 / 101 + 1) / 2),
    ],
)
def test_a_kind_alone_costs_all_that_is_lost(kind, before):
    errors, _ = errors_of(*planted(kind))
    assert errors.count == dict.fromkeys(KINDS, 0) | {kind: 1}
    assert errors.ap50 == pytest.approx(before, abs=1e-12)
    assert errors.lost == pytest.approx(dict.fromkeys(KINDS, 0) | {kind: 1 - before}, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_false_positive_is_of_one_kind_and_mending_never_costs(seed):
    truth, found = make_coco(12, 60, 4, seed=seed, crowds=0.1)
    evaluator = coco_evaluator(COCO(truth), found, 'bbox')
    matches = match_detections(evaluator)
    errors = find_errors(matches)
    false = matches.state[0, 0] == 0
    np.testing.assert_array_equal(errors.kind >= 0, false)
    assert sum(errors.count[kind] for kind in KINDS[:-1]) == false.sum()
    assert min(errors.lost.values()) > -1e-12
    not_found = ~matches.gt_found & ~matches.gt_ignored[0]
    assert not (errors.missed & ~not_found).any()
