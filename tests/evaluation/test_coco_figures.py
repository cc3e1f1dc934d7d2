"""COCO's figures against pycocotools, and what our own matching makes of them."""

import contextlib
import copy
import io
import json

import numpy as np
import pytest
from faster_coco_eval import COCO
from faster_coco_eval.core import mask as mask_api
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO as ReferenceCOCO
from pycocotools.cocoeval import COCOeval
from synthetic import make_coco

from mmgreen.evaluation import (
    FIGURES,
    CocoTruth,
    calibrate,
    coco_evaluator,
    coco_figures,
    confidence_interval,
    draw_resamples,
    find_errors,
    match_detections,
    resampled_figures,
)

PARTS = ('bbox', 'segm')


def reference(truth, detections, iou_type):
    """Twelve figures by pycocotools, NaN where it says -1."""
    detections = copy.deepcopy(detections)
    if iou_type == 'segm':
        for found in detections:  # else it takes the areas of boxes
            found.pop('bbox')
    with contextlib.redirect_stdout(io.StringIO()):
        coco = ReferenceCOCO()
        coco.dataset = copy.deepcopy(truth)
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(detections), iou_type)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return np.where(evaluator.stats < 0, np.nan, evaluator.stats)


def evaluate(truth, detections, iou_type, cat_ids=None):
    return coco_evaluator(COCO(copy.deepcopy(truth)), detections, iou_type, cat_ids)


def values(figures):
    return [figures[name] for name in FIGURES]


def shaken(truth, seed=0):
    """Detections made of objects: moved, doubled, mistaken."""
    rng = np.random.default_rng(seed)
    sizes = {image['id']: (image['height'], image['width']) for image in truth['images']}
    categories = [category['id'] for category in truth['categories']]
    found = []
    for annotation in truth['annotations']:
        for _ in range(rng.integers(0, 3)):
            height, width = sizes[annotation['image_id']]
            x, y, w, h = np.array(annotation['bbox']) * (1 + rng.normal(0, 0.03, 4))
            box = np.clip([x, y, x + w, y + h], 0, [width, height, width, height])
            x, y, w, h = *box[:2], *(box[2:] - box[:2])
            corners = [x, y, x + w, y, x + w, y + h, x, y + h]
            rle = mask_api.frPyObjects([corners], height, width)[0]
            category = annotation['category_id']
            if rng.random() < 0.1:
                category = categories[rng.integers(len(categories))]
            found.append(
                dict(
                    image_id=annotation['image_id'],
                    category_id=category,
                    score=round(float(rng.random()), 2),
                    bbox=[float(v) for v in (x, y, w, h)],
                    segmentation=dict(size=[height, width], counts=rle['counts'].decode()),
                )
            )
    return found


@pytest.mark.parametrize('iou_type', PARTS)
def test_figures_on_photographs_are_those_of_pycocotools(coco_tiny, iou_type):
    truth = json.loads((coco_tiny / 'annotations/instances_val2017.json').read_text())
    detections = shaken(truth)
    figures = coco_figures(evaluate(truth, detections, iou_type)).figures
    expected = reference(truth, detections, iou_type)
    assert expected[0] > 0.05
    np.testing.assert_allclose(values(figures), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize('iou_type', PARTS)
def test_every_image_once_gives_the_figures_themselves(iou_type):
    """The matches behind intervals, errors and calibration are COCO's own."""
    truth, detections = make_coco(60, 500, 7, crowds=0.1)
    evaluator = evaluate(truth, detections, iou_type)
    matches = match_detections(evaluator)
    once = resampled_figures(matches, np.ones((60, 1)))
    expected = reference(truth, detections, iou_type)
    np.testing.assert_allclose([once[name][0] for name in FIGURES], expected, rtol=0, atol=1e-12)
    assert (matches.state == 2).any()  # crowds and other sizes did matter


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), images=st.integers(1, 8))
def test_a_resample_is_the_dataset_with_images_as_often_as_drawn(seed, images):
    rng = np.random.default_rng(seed)
    truth, detections = make_coco(images, 6 * images, 3, seed=seed, crowds=0.1)
    for score, found in zip(rng.permutation(len(detections)), detections, strict=True):
        # Without equals among them: a copy of an image stands elsewhere in their order.
        found['score'] = float(score + 1) / (len(detections) + 1)
    times = rng.multinomial(images, np.full(images, 1 / images))
    many, found_in_many = dict(truth, images=[], annotations=[]), []
    for image, count in zip(truth['images'], times, strict=True):
        for _ in range(count):
            number = len(many['images']) + 1
            many['images'].append(dict(image, id=number))
            for annotation in truth['annotations']:
                if annotation['image_id'] == image['id']:
                    own = dict(annotation, image_id=number, id=len(many['annotations']) + 1)
                    many['annotations'].append(own)
            found_in_many += [
                dict(found, image_id=number)
                for found in detections
                if found['image_id'] == image['id']
            ]
    matches = match_detections(evaluate(truth, detections, 'bbox'))
    got = resampled_figures(matches, times[:, None].astype(float))
    expected = coco_figures(evaluate(many, found_in_many, 'bbox')).figures
    for name in FIGURES:
        np.testing.assert_allclose(got[name][0], expected[name], rtol=0, atol=1e-12)


def test_an_interval_lies_around_the_figure_and_narrows_with_images():
    widths = []
    for images in (20, 320):
        truth, detections = make_coco(images, 8 * images, 4)
        evaluator = evaluate(truth, detections, 'bbox')
        figures = coco_figures(evaluator).figures
        samples = resampled_figures(match_detections(evaluator), draw_resamples(images, 300))
        low, high = confidence_interval(figures['AP'], samples['AP'])
        assert low < figures['AP'] < high
        widths.append(high - low)
    # Sixteen times as many images: a quarter of the width, more or less.
    assert 2.5 < widths[0] / widths[1] < 6.5


def test_nothing_found_is_an_ap_of_zero():
    truth, _ = make_coco(5, 30, 3)
    evaluator = evaluate(truth, [], 'segm')
    figures = coco_figures(evaluator).figures
    assert figures['AP'] == figures['AP50'] == figures['AR@100'] == 0
    matches = match_detections(evaluator)
    assert resampled_figures(matches, np.ones((5, 2)))['AP'].tolist() == [0, 0]
    assert np.isnan(calibrate(matches).error)


def test_a_category_without_objects_counts_nowhere():
    truth, detections = make_coco(10, 60, 3)
    truth['categories'].append(dict(id=99, name='unseen'))
    with_it = coco_figures(evaluate(truth, detections, 'bbox'))
    without = coco_figures(evaluate(truth, detections, 'bbox', cat_ids=[1, 3, 5]))
    assert values(with_it.figures) == pytest.approx(values(without.figures), nan_ok=True)
    assert np.isnan(with_it.categories['AP'][3])


def test_calibration_of_scores_that_are_right_as_often_as_they_say():
    rng = np.random.default_rng(0)
    truth = dict(images=[], annotations=[], categories=[dict(id=1, name='a')])
    detections = []
    for i in range(2000):
        truth['images'].append(dict(id=i, file_name=f'{i}.jpg', height=100, width=100))
        box = [10.0, 10.0, 30.0, 30.0]
        truth['annotations'].append(
            dict(id=i + 1, image_id=i, category_id=1, bbox=box, area=900.0, iscrowd=0)
        )
        score = float(rng.random())
        right = rng.random() < score
        place = box if right else [60.0, 60.0, 30.0, 30.0]
        detections.append(dict(image_id=i, category_id=1, bbox=place, score=score))
    calibration = calibrate(match_detections(evaluate(truth, detections, 'bbox')))
    assert calibration.error < 0.03
    overconfident = [dict(found, score=found['score'] ** 0.25) for found in detections]
    assert calibrate(match_detections(evaluate(truth, overconfident, 'bbox'))).error > 0.2
    assert calibration.count.sum() == 2000


def test_ids_from_zero_on_are_ids_like_others():
    """The evaluators take 0 for "no match"."""
    truth, detections = make_coco(6, 40, 5)
    shifted = dict(truth, annotations=[dict(a, id=a['id'] - 1) for a in truth['annotations']])
    assert shifted['annotations'][0]['id'] == 0
    for kind in PARTS:
        figures, errors = [], []
        for content in (truth, shifted):
            evaluator = coco_evaluator(COCO(content), copy.deepcopy(detections), kind)
            figures.append(coco_figures(evaluator).figures)
            errors.append(find_errors(match_detections(evaluator)).ap50)
        assert figures[0] == figures[1]
        assert errors[0] == errors[1] == pytest.approx(figures[0]['AP50'])


@pytest.mark.parametrize(
    'number',
    [
        lambda i: 2**127 + i,
        lambda i: 2**53 + 1 + i,  # neighbours that floating-point numbers do not tell apart
        lambda i: 2**63 + i,
        lambda i: f'image-{i:06}',
    ],
)
@pytest.mark.parametrize('iou_type', PARTS)
def test_ids_of_any_size_change_no_figure(number, iou_type):
    truth, detections = make_coco(40, 300, 5, crowds=0.1)
    expected = reference(truth, detections, iou_type)
    images = {image['id']: number(image['id']) for image in truth['images']}
    categories = {c['id']: number(c['id']) for c in truth['categories']}
    for entry in truth['images']:
        entry['id'] = images[entry['id']]
    for entry in truth['categories']:
        entry['id'] = categories[entry['id']]
    for i, entry in enumerate(truth['annotations']):
        entry['id'] = number(i)
    for entry in (*truth['annotations'], *detections):
        entry['image_id'] = images[entry['image_id']]
        entry['category_id'] = categories[entry['category_id']]
    figures = coco_figures(coco_evaluator(CocoTruth(truth), detections, iou_type)).figures
    np.testing.assert_allclose(values(figures), expected, rtol=0, atol=1e-9)
