"""Sections of the report, of usual and of odd data."""

import base64
import io
import json
import re

import numpy as np
import pytest
from faster_coco_eval import COCO
from faster_coco_eval.core import mask as mask_api
from PIL import Image
from synthetic import make_coco
from written import report_of, work_dir_of

from mmgreen.report import write_report
from mmgreen.report.examples import draw_example


def test_the_threshold_of_the_checkpoint_counts(tmp_path):
    truth, detections = make_coco(6, 40, 2, crowds=0)
    run = work_dir_of(tmp_path / 'run', truth, detections, threshold=0.62)
    path = write_report([run], tmp_path / 'report')
    part = json.loads(path.with_suffix('.json').read_text())['runs'][0]['segm']
    assert part['at_threshold']['score'] == 0.62
    taken = sum(d['score'] >= 0.62 for d in detections)
    counted = part['at_threshold']
    assert counted['found'] + counted['false_alarms'] == taken
    assert sum(pair['count'] for pair in part['confusion'] if pair['found']) == taken
    assert (
        '0.62 or higher, where the balance of both faults (F1) was best in validation'
        in path.read_text()
    )


def test_images_whose_labels_are_in_doubt_come_first(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    truth, _ = make_coco(6, 30, 2, crowds=0, size=(150, 200))
    detections = [
        dict(
            image_id=a['image_id'],
            category_id=a['category_id'],
            segmentation=mask_api.merge(mask_api.frPyObjects(a['segmentation'], 150, 200)),
            score=0.9,
        )
        for a in truth['annotations']
    ]
    for detection in detections:
        counts = detection['segmentation']['counts']
        detection['segmentation'] = dict(size=[150, 200], counts=counts.decode())
    for image in truth['images']:
        Image.new('RGB', (200, 150)).save(folder / image['file_name'])
    # Labels of the third image are lost; of the fourth the detector finds nothing.
    lost, blind = (truth['images'][k]['id'] for k in (2, 3))
    truth['annotations'] = [a for a in truth['annotations'] if a['image_id'] != lost]
    seen = [d for d in detections if d['image_id'] != blind]
    html, _ = report_of(tmp_path, truth, seen, images=folder)
    number = sum(d['image_id'] == lost for d in detections)
    s = 's' if number > 1 else ''
    labels = html.index(
        f'Labels? ({number} sure detection{s} without a label): {truth["images"][2]["file_name"]}'
    )
    missed = sum(a['image_id'] == blind for a in truth['annotations'])
    detector = html.index(f'Detector ({missed} missed): {truth["images"][3]["file_name"]}')
    assert labels < detector < html.index('Best (F1 1.00)')


def test_no_detections_at_all(tmp_path):
    truth, _ = make_coco(4, 20, 2)
    html, data = report_of(tmp_path, truth, [])
    figures = data['runs'][0]['bbox']['figures']
    assert figures['AP'] == 0
    assert data['runs'][0]['bbox']['errors']['count']['missed'] == data['objects']
    assert 'nan' not in html.lower().replace('nanometre', '')


def test_a_category_without_objects_and_images_without_any(tmp_path):
    truth, detections = make_coco(4, 12, 2)
    truth['categories'].append(dict(id=50, name='unseen'))
    truth['images'].append(dict(id=9999, file_name='empty.jpg', height=480, width=640))
    html, data = report_of(tmp_path, truth, detections)
    unseen = data['runs'][0]['bbox']['categories'][-1]
    assert (unseen['name'], unseen['objects'], unseen['AP']) == ('unseen', 0, None)
    assert '–' in html


def rle(segmentation, size=(480, 640)):
    if isinstance(segmentation, dict):
        return segmentation
    return mask_api.merge(mask_api.frPyObjects(segmentation, *size))


@pytest.mark.parametrize('seed', [0, 1])
def test_it_begins_with_what_is_found_and_missed(tmp_path, seed):
    """At the named score, against matching by hand: best score first, each object once."""
    truth, detections = make_coco(12, 80, 3, crowds=0, seed=seed)
    html, data = report_of(tmp_path, truth, detections)
    best = data['runs'][0]['segm']['at_threshold']
    shapes = {a['id']: a for a in truth['annotations']}
    overlaps = {
        (i, a['id']): mask_api.iou([rle(d['segmentation'])], [rle(a['segmentation'])], [0])[0, 0]
        for i, d in enumerate(detections)
        for a in truth['annotations']
        if (a['image_id'], a['category_id']) == (d['image_id'], d['category_id'])
    }

    def at(score):
        taken, found, false = set(), 0, 0
        for i in sorted(range(len(detections)), key=lambda i: -detections[i]['score']):
            if detections[i]['score'] < score:
                continue
            same = [(v, key) for (d, key), v in overlaps.items() if d == i and key not in taken]
            overlap, key = max(same, default=(0, None))
            if overlap >= 0.5:
                taken.add(key)
                found += 1
            else:
                false += 1
        return found, false

    assert at(best['score']) == (best['found'], best['false_alarms'])
    assert best['missed'] == len(shapes) - best['found']
    f1 = {s: 2 * sum(at(s)[:1]) / (sum(at(s)) + len(shapes)) for s in np.arange(0, 1, 0.1)}
    mine = 2 * best['found'] / (best['found'] + best['false_alarms'] + len(shapes))
    assert mine >= max(f1.values()) - 1e-9
    assert f'Of {len(shapes)} objects {best["found"]:.0f} are found and named right' in html
    assert f'(--threshold {best["score"]:.2f})' in html
    assert html.index('In short') < html.index('COCO figures')


def test_one_image(tmp_path):
    truth, detections = make_coco(1, 6, 2)
    _, data = report_of(tmp_path, truth, detections)
    run = data['runs'][0]['bbox']
    # There is only one way to draw one image.
    assert run['intervals']['AP'] == pytest.approx([run['figures']['AP']] * 2)


def test_confusions_are_a_matrix_and_of_many_categories_a_list(tmp_path):
    truth, detections = make_coco(12, 80, 3)
    html, data = report_of(tmp_path / 'few', truth, detections)
    pairs = data['runs'][0]['segm']['confusion']
    missed = sum(pair['count'] for pair in pairs if pair['found'] is None)
    found = sum(pair['count'] for pair in pairs if None not in (pair['there'], pair['found']))
    assert missed + found == data['objects']
    assert 'Confusion, run' in html
    assert '>nothing there<' in html
    # Every detection as another category: only confusions are left.
    truth, detections = make_coco(12, 80, 20, crowds=0)
    numbers = [category['id'] for category in truth['categories']]
    for found in detections:
        found['category_id'] = numbers[(numbers.index(found['category_id']) + 1) % 20]
    html, data = report_of(tmp_path / 'many', truth, detections)
    pairs = [p for p in data['runs'][0]['segm']['confusion'] if p['there'] and p['found']]
    most = max(pairs, key=lambda pair: pair['count'])
    there, found = (int(most[key].split()[1]) for key in ('there', 'found'))
    assert found == (there + 1) % 20
    table = html[html.index('Most frequent confusions') :]
    assert most['there'] in table
    assert most['found'] in table


def test_a_crowd_is_drawn_as_one():
    truth = COCO()
    truth.dataset = dict(
        images=[dict(id=1, file_name='1.jpg', height=100, width=200)],
        annotations=[
            dict(id=1, image_id=1, category_id=1, bbox=[10, 10, 60, 60], area=3600, iscrowd=0),
            dict(id=2, image_id=1, category_id=1, bbox=[110, 10, 60, 60], area=3600, iscrowd=1),
        ],
        categories=[dict(id=1, name='cat')],
    )
    truth.createIndex()
    image = np.zeros((100, 200, 3), np.uint8)
    picture = draw_example(truth, 1, image, None, 'both')
    content = base64.b64decode(picture.uri.split(',')[1])
    pixels = np.asarray(Image.open(io.BytesIO(content))).astype(int)
    colours = [pixels[:, 26], pixels[:, 266]]  # on the left edge of each box
    brightest = [edge[edge.sum(1).argmax()] for edge in colours]
    assert np.abs(brightest[0] - brightest[1]).max() > 60, 'another colour than an object'


def test_one_run_has_all_its_parts(tmp_path):
    truth, detections = make_coco(12, 80, 4)
    html, data = report_of(tmp_path, truth, detections)
    assert (data['images'], data['categories']) == (12, 4)
    (run,) = data['runs']
    for part in ('bbox', 'segm'):
        low, high = run[part]['intervals']['AP']
        assert low < run[part]['figures']['AP'] < high
        assert len(run[part]['figures']) == 12
        assert [c['name'] for c in run[part]['categories']] == [f'category {k}' for k in range(4)]
        assert set(run[part]['errors']['lost']) == set(run[part]['errors']['count'])
        assert f'{run[part]["figures"]["AP"]:.3f}' in html
    assert html.count('<svg') == 11  # scores; categories, curves, sizes, calibration, errors, twice
    # Opens from disk, without network
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert not re.search(r'url\((?!#)', html)
    markdown = (tmp_path / 'report/report.md').read_text()
    assert f'| AP | {run["bbox"]["figures"]["AP"]:.3f}' in markdown
