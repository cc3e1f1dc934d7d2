"""The metric that validates during training and tests."""

import json

import numpy as np
import pytest
import torch
from mmengine.registry import METRICS as ROOT
from pycocotools import mask as mask_api
from synthetic import make_coco

from mmgreen.evaluation import coco_evaluator, coco_figures
from mmgreen.registry import METRICS


def samples_of(truth, detections, cat_ids):
    """What a detector hands to the metric, image by image."""
    for image in truth['images']:
        found = [d for d in detections if d['image_id'] == image['id']]
        boxes = np.array([d['bbox'] for d in found], dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        masks = [mask_api.decode(d['segmentation']) for d in found]
        shape = (image['height'], image['width'])
        yield dict(
            img_id=image['id'],
            ori_shape=shape,
            pred_instances=dict(
                bboxes=torch.from_numpy(boxes),
                scores=torch.tensor([d['score'] for d in found], dtype=torch.float64),
                labels=torch.tensor([cat_ids.index(d['category_id']) for d in found]).long(),
                masks=torch.from_numpy(np.array(masks).reshape(-1, *shape)).bool(),
            ),
        )


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    truth, detections = make_coco(8, 40, 3, false=1.0, size=(120, 160))
    # A file's categories need not be in the order of their ids.
    truth['categories'].reverse()
    path = tmp_path_factory.mktemp('coco') / 'annotations.json'
    path.write_text(json.dumps(truth))
    return path, truth, detections


def run(metric, truth, detections):
    names = [category['name'] for category in truth['categories']]
    metric.dataset_meta = dict(classes=names)
    cat_ids = [category['id'] for category in truth['categories']]
    samples = list(samples_of(truth, detections, cat_ids))
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def test_metrics_are_the_figures_by_mmdets_names(data, tmp_path, logged):
    path, truth, detections = data
    metric = ROOT.build(
        dict(
            type='mmgreen.CocoMetric',
            ann_file=str(path),
            metric=['bbox', 'segm'],
            classwise=True,
            outfile_prefix=str(tmp_path / 'out'),
        )
    )
    metrics = run(metric, truth, detections)
    from faster_coco_eval import COCO

    for part in ('bbox', 'segm'):
        saved = json.loads((tmp_path / f'out.{part}.json').read_text())
        figures = coco_figures(coco_evaluator(COCO(str(path)), saved, part)).figures
        assert metrics[f'coco/{part}_mAP'] == figures['AP'] > 0.05
        assert metrics[f'coco/{part}_mAP_s'] == figures['AP_small']
    assert 'Average Recall' in logged.text
    # Rows of the table bear their own names.
    figures = metric.figures['bbox']
    (row,) = [line for line in logged.text.split('segm')[0].splitlines() if '| category 0 ' in line]
    assert f'{figures.categories["AP"][0]:.3f}' in row


def test_nothing_found_is_zero_and_no_objects_of_a_size_is_minus_one(data):
    path, truth, _ = data
    metric = METRICS.build(dict(type='CocoMetric', ann_file=str(path)))
    metrics = run(metric, truth, [])
    assert metrics['coco/bbox_mAP'] == metrics['coco/segm_mAP'] == 0
    small = json.loads(path.read_text())
    for annotation in small['annotations']:
        annotation['area'] = 10.0
    path = path.with_name('small.json')
    path.write_text(json.dumps(small))
    metric = METRICS.build(dict(type='CocoMetric', ann_file=str(path), metric='bbox'))
    assert run(metric, small, [])['coco/bbox_mAP_l'] == -1


def test_results_can_be_written_alone(data, tmp_path):
    path, truth, detections = data
    metric = METRICS.build(
        dict(
            type='CocoMetric',
            ann_file=str(path),
            format_only=True,
            outfile_prefix=str(tmp_path / 'out'),
        )
    )
    assert run(metric, truth, detections) == {}
    assert len(json.loads((tmp_path / 'out.bbox.json').read_text())) == len(detections)
