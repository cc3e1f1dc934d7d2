"""What is taken for what: each case planted by hand, and counts that must add up."""

import numpy as np
from faster_coco_eval import COCO
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_coco

from mmgreen.evaluation import coco_evaluator, confusion_matrix, match_detections
from mmgreen.evaluation.matching import IGNORED

CAT, DOG = 1, 2


def matches_of(objects, detections):
    """Of one image: (category, x, crowd) and (category, x, score), boxes of 100 x 100."""
    truth = COCO()
    truth.dataset = dict(
        images=[dict(id=1, file_name='1.jpg', height=400, width=4000)],
        annotations=[
            dict(
                id=i,
                image_id=1,
                category_id=category,
                bbox=[float(x), 0.0, 100.0, 100.0],
                area=10000.0,
                iscrowd=int(crowd),
            )
            for i, (category, x, crowd) in enumerate(objects, 1)
        ],
        categories=[dict(id=CAT, name='cat'), dict(id=DOG, name='dog')],
    )
    truth.createIndex()
    found = [
        dict(image_id=1, category_id=category, bbox=[float(x), 0.0, 100.0, 100.0], score=score)
        for category, x, score in detections
    ]
    return match_detections(coco_evaluator(truth, found, 'bbox', [CAT, DOG]))


def test_each_case():
    matches = matches_of(
        [(CAT, 0, 0), (CAT, 200, 0), (DOG, 400, 0), (DOG, 600, 0), (DOG, 1000, 1)],
        [
            (CAT, 5, 0.9),  # right
            (CAT, 10, 0.8),  # a second one of the same cat: nothing there
            (DOG, 205, 0.7),  # a cat taken for a dog
            (DOG, 400, 0.2),  # of too low a score: missed
            (CAT, 650, 0.6),  # overlaps a dog by a third: nothing there, the dog missed
            (DOG, 1000, 0.9),  # a crowd: left out
            (DOG, 2000, 0.9),  # nothing there
        ],
    )
    assert confusion_matrix(matches, 0.3).tolist() == [[1, 1, 0], [0, 0, 2], [2, 1, 0]]


def test_an_object_goes_to_the_best_score_and_its_rival_to_the_next_nearest():
    # Both dogs' boxes are nearest to the cat; the second one takes the dog behind it.
    matches = matches_of([(CAT, 0, 0), (DOG, 30, 0)], [(DOG, 10, 0.9), (DOG, 12, 0.8)])
    assert confusion_matrix(matches, 0.3).tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 0]]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), score=st.sampled_from([0.0, 0.3, 0.7]))
def test_every_object_and_every_detection_is_counted_once(seed, score):
    truth, found = make_coco(4, 30, 3, seed=seed, crowds=0.1)
    coco = COCO()
    coco.dataset = truth
    coco.createIndex()
    matches = match_detections(coco_evaluator(coco, found, 'bbox', sorted(coco.cats)))
    matrix = confusion_matrix(matches, score)
    counted = matches.gt_category[~matches.gt_ignored[0]]
    assert matrix[:-1].sum(1).tolist() == np.bincount(counted, minlength=3).tolist()
    drawn = matches.score >= score
    on_crowds = drawn & (matches.state[0, 0] == IGNORED)
    assert drawn.sum() - on_crowds.sum() <= matrix[:, :-1].sum() <= drawn.sum()
