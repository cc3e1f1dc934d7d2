"""What is right and wrong, by score and by image, against counting by hand."""

import numpy as np
import pytest

from mmgreen.evaluation import (
    SURE,
    coco_evaluator,
    count_by_image,
    count_matches,
    match_detections,
)
from mmgreen.evaluation.coco_figures import CocoTruth

# Images 1 to 4: an object of category 1 at the left, one of category 2 at the right.
LEFT, RIGHT, MIDDLE = (0, 0, 20, 20), (60, 0, 20, 20), (30, 60, 20, 20)
TRUTH = dict(
    images=[dict(id=i, file_name=f'{i}.png', width=100, height=100) for i in range(1, 5)],
    categories=[dict(id=1, name='cat'), dict(id=2, name='dog')],
    annotations=[
        dict(id=2 * i + k, image_id=i, category_id=k + 1, bbox=list(box), area=400, iscrowd=0)
        for i in range(1, 5)
        for k, box in enumerate((LEFT, RIGHT))
    ],
)


def found(image, category, box, score):
    return dict(image_id=image, category_id=category, bbox=list(box), score=score)


DETECTIONS = [
    found(1, 1, LEFT, 0.9),  # both found
    found(1, 2, RIGHT, 0.6),
    found(2, 1, LEFT, 0.9),  # one found, something sure without a label
    found(2, 1, MIDDLE, 0.85),
    found(3, 2, LEFT, 0.95),  # one that is called otherwise
    found(3, 2, RIGHT, 0.4),
    found(4, 1, LEFT, 0.9),  # found twice: a false alarm that lies on its object
    found(4, 1, (1, 1, 20, 20), 0.88),
    found(4, 1, MIDDLE, 0.3),  # not sure
]


def matches(detections):
    return match_detections(coco_evaluator(CocoTruth(TRUTH), detections, 'bbox'))


def test_images_say_what_is_wrong_in_them():
    counts = count_by_image(matches(DETECTIONS), 0.5)
    assert counts.missed.tolist() == [0, 1, 2, 1]
    assert counts.false.tolist() == [0, 1, 1, 1]
    assert counts.unlabelled.tolist() == [0, 1, 0, 0]
    assert counts.misnamed.tolist() == [0, 0, 1, 0]
    assert count_by_image(matches(DETECTIONS), 0.2).false.tolist() == [0, 1, 1, 2]


def test_a_crowd_is_neither_missed_nor_a_false_alarm():
    crowd = dict(TRUTH['annotations'][0], iscrowd=1)
    truth = CocoTruth(dict(TRUTH, annotations=[crowd, *TRUTH['annotations'][1:]]))
    detections = [found(1, 1, LEFT, 0.9), found(1, 1, (2, 2, 15, 15), 0.9)]
    counts = count_by_image(match_detections(coco_evaluator(truth, detections, 'bbox')), 0.5)
    assert counts.missed.tolist() == [1, 2, 2, 2]
    assert not (counts.false + counts.unlabelled + counts.misnamed).any()


@pytest.mark.parametrize('seed', range(5))
def test_the_threshold_is_where_f1_is_best(seed):
    rng = np.random.default_rng(seed)
    detections = [dict(d, score=float(s)) for d, s in zip(DETECTIONS, rng.random(9), strict=True)]
    counts = count_matches(matches(detections))
    threshold = counts.threshold

    def f1(score):
        taken = [d for d in detections if d['score'] >= score]
        if not taken:
            return 0
        by_image = count_by_image(matches(taken), 0)
        right = 8 - by_image.missed.sum()
        return 2 * right / (right + by_image.false.sum() + 8)

    # Of equal F1 the highest score: above it F1 is lower.
    assert f1(threshold) == max(map(f1, np.arange(100) / 100))
    assert all(f1(score) < f1(threshold) for score in np.arange(threshold + 0.01, 1, 0.01))
    assert counts.recall[0] == pytest.approx(
        1 - count_by_image(matches(detections), 0).missed.sum() / 8
    )


def test_there_is_no_threshold_where_nothing_is_found():
    assert count_matches(matches([])).threshold is None
    assert count_matches(matches([found(1, 1, MIDDLE, SURE)])).threshold is None
