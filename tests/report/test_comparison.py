"""Runs side by side: groups of seeds, differences, what cannot be compared."""

import json
import re

import numpy as np
import pytest
from helpers import run_tool
from PIL import Image
from synthetic import make_coco
from written import encode, save, work_dir_of

from mmgreen.errors import UserError
from mmgreen.report import write_report


def test_runs_of_one_name_are_a_group(tmp_path):
    truth, found = make_coco(12, 80, 3)
    rng = np.random.default_rng(0)
    paths, names = [], []
    for name, kept in (('few', 0.5), ('most', 0.9)):
        for seed in range(3):
            part = [d for d in found if rng.random() < kept]
            path, ann_file = save(tmp_path, truth, part, f'{name}{seed}.json')
            paths.append(path)
            names.append(name)
    single = [
        json.loads(
            write_report([path], tmp_path / path.stem, ann_file=ann_file)
            .with_name('report.json')
            .read_text()
        )['runs'][0]
        for path in paths
    ]
    path = write_report(paths, tmp_path / 'groups', names, ann_file)
    data = json.loads(path.with_name('report.json').read_text())
    assert [run['name'] for run in data['runs']] == ['few', 'most']
    means = []
    for i, run in enumerate(data['runs']):
        mine = [one['segm'] for one in single[3 * i : 3 * i + 3]]
        for figure in ('AP', 'AP50', 'AR@100'):
            values = [one['figures'][figure] for one in mine]
            assert run['segm']['of_runs'][figure] == pytest.approx(values)
            assert run['segm']['figures'][figure] == pytest.approx(np.mean(values))
        means.append(run['segm']['figures']['AP'])
        low, high = run['segm']['intervals']['AP']
        assert low < means[-1] < high
        # Wider than what seeds alone, or images of the mean alone, would say.
        widths = [np.subtract(*one['intervals']['AP'][::-1]) for one in mine]
        assert high - low > max(widths) / 3**0.5
        counts = [one['calibration']['count'] for one in mine]
        assert run['segm']['calibration']['count'] == np.sum(counts, axis=0).tolist()
        missed = [one['errors']['count']['missed'] for one in mine]
        assert run['segm']['errors']['count']['missed'] == pytest.approx(np.mean(missed))
    gain = data['differences'][0]['segm']['AP']
    assert gain['difference'] == pytest.approx(means[1] - means[0])
    assert gain['interval'][0] > 0
    assert 'a group of 3 runs' in path.read_text()


def test_runs_side_by_side_with_differences_and_pictures(tmp_path):
    truth, detections = make_coco(6, 40, 3, size=(120, 160))
    images = tmp_path / 'images'
    images.mkdir()
    rng = np.random.default_rng(0)
    for image in truth['images']:
        pixels = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / image['file_name'])
    best = [
        dict(
            image_id=a['image_id'],
            category_id=a['category_id'],
            bbox=a['bbox'],
            score=0.9,
            segmentation=a['segmentation']
            if isinstance(a['segmentation'], dict)
            else encode(a['segmentation']),
        )
        for a in truth['annotations']
        if not a['iscrowd']
    ]
    a, ann_file = save(tmp_path, truth, detections, 'a.segm.json')
    for found in best:  # masks alone are results, too
        found.pop('bbox')
    b, _ = save(tmp_path, truth, best, 'b.segm.json')
    command = (
        *('tools/analysis/coco_report.py', a, b, '--ann-file', ann_file, '--images', images),
        *('--names', 'früher', '後', '--out', tmp_path / 'report'),
    )
    done = run_tool(*command)
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / 'report/report.json').read_text())
    assert [run['name'] for run in data['runs']] == ['früher', '後']
    (difference,) = data['differences']
    assert 'bbox' not in data['runs'][1]
    figures = [run['segm']['figures']['AP'] for run in data['runs']]
    assert figures[1] == pytest.approx(1, abs=0.01)
    assert difference['segm']['AP']['difference'] == pytest.approx(figures[1] - figures[0])
    assert difference['segm']['AP']['interval'][0] > 0
    html = (tmp_path / 'report/report.html').read_text()
    assert '後 gains' in html
    assert html.count('data:image/jpeg;base64,') == 9  # three images: objects, and both runs
    assert 'class="number better"' in html

    drawn = re.search(r'gains [\d.]+: (\S+),', html)[1]
    (images / drawn).write_bytes((images / drawn).read_bytes()[:500])
    done = run_tool(*command)
    assert done.returncode == 0, done.stderr
    assert f'not drawn: image {images / drawn} cannot be read' in done.stdout + done.stderr
    html = (tmp_path / 'report/report.html').read_text()
    assert html.count('data:image/jpeg;base64,') == 6


def test_boxes_and_masks_cannot_be_compared(tmp_path):
    truth, detections = make_coco(4, 20, 2)
    boxes = [{k: v for k, v in found.items() if k != 'segmentation'} for found in detections]
    masks = [{k: v for k, v in found.items() if k != 'bbox'} for found in detections]
    a, ann_file = save(tmp_path, truth, boxes, 'a.json')
    b, _ = save(tmp_path, truth, masks, 'b.json')
    with pytest.raises(UserError, match='in common.* a has boxes, b has masks'):
        write_report([a, b], tmp_path / 'report', ann_file=ann_file)


@pytest.mark.parametrize('part', ['images', 'annotations', 'categories'])
def test_runs_over_different_datasets_are_refused(tmp_path, part):
    truth, detections = make_coco(4, 20, 2)
    paths = []
    for name in 'ab':
        if name == 'b':  # the last one leaves
            gone = truth[part].pop()['id']
            keys = dict(images='image_id', categories='category_id').get(part, 'id')
            kept = [a for a in truth['annotations'] if a[keys] != gone]
            truth['annotations'] = kept
            detections = [d for d in detections if d.get(keys) != gone]
        paths.append(work_dir_of(tmp_path / name, truth, detections))
    with pytest.raises(UserError, match='a and b were tested on different') as error:
        write_report(paths, tmp_path / 'report')
    assert '1 only in' in str(error.value)
    assert not (tmp_path / 'report').exists()
    assert write_report(paths[:1], tmp_path / 'report').is_file()
