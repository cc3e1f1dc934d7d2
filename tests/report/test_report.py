"""Reports from runs and result files: sound in every case, or refused in a sentence."""

import base64
import io
import json
import re

import numpy as np
import pytest
from faster_coco_eval import COCO
from faster_coco_eval.core import mask as mask_api
from helpers import run_tool
from PIL import Image
from synthetic import make_coco

from mmgreen.errors import UserError
from mmgreen.report import write_report
from mmgreen.report.curves import overfitting_from
from mmgreen.report.examples import draw_example


def save(folder, truth, detections, name='run.segm.json'):
    folder.mkdir(exist_ok=True)
    (folder / 'annotations.json').write_text(json.dumps(truth, ensure_ascii=False))
    (folder / name).write_text(json.dumps(detections))
    return folder / name, folder / 'annotations.json'


def report_of(folder, truth, detections, **kwargs):
    results, ann_file = save(folder, truth, detections)
    path = write_report([results], folder / 'report', ann_file=ann_file, **kwargs)
    data = json.loads((path.parent / 'report.json').read_text())
    return path.read_text(), data


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
    assert html.count('<svg') == 10  # categories, curves, sizes, calibration, errors; twice
    # Opens from disk, without network
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert not re.search(r'url\((?!#)', html)
    markdown = (tmp_path / 'report/report.md').read_text()
    assert f'| AP | {run["bbox"]["figures"]["AP"]:.3f}' in markdown


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


def encode(polygons):
    rle = mask_api.frPyObjects(polygons, 120, 160)[0]
    return dict(size=[120, 160], counts=rle['counts'].decode())


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


def test_one_image(tmp_path):
    truth, detections = make_coco(1, 6, 2)
    _, data = report_of(tmp_path, truth, detections)
    run = data['runs'][0]['bbox']
    # There is only one way to draw one image.
    assert run['intervals']['AP'] == pytest.approx([run['figures']['AP']] * 2)


def test_names_of_any_script_and_with_markup(tmp_path):
    truth, detections = make_coco(4, 30, 4)
    names = ['Żółw $x_1$', '自転車', '<script>alert(1)</script>', 'a|b & "c"']
    for category, name in zip(truth['categories'], names, strict=True):
        category['name'] = name
    html, data = report_of(tmp_path, truth, detections)
    assert [c['name'] for c in data['runs'][0]['segm']['categories']] == names
    assert '自転車' in html
    assert 'Żółw $x_1$' in html
    assert '<script>alert' not in html
    rows = (tmp_path / 'report/report.md').read_text().splitlines()
    found = {line.count('|') - line.count('\\|') for line in rows if line.startswith('| a\\|b')}
    assert found == {10, 7}  # columns of categories and of confusions, whatever a name holds


def test_thousands_of_categories(tmp_path):
    truth, detections = make_coco(20, 1500, 1200)
    html, data = report_of(tmp_path, truth, detections)
    assert len(data['runs'][0]['bbox']['categories']) == 1200
    assert 'best and worst 40' in html


def work_dir_of(folder, truth, detections, **record):
    """A work dir as a test leaves it."""
    log_dir = folder / '20260101_000000'
    log_dir.mkdir(parents=True)
    save(log_dir, truth, detections, 'detections.segm.json')
    known = dict(mode='test', annotations=str(log_dir / 'annotations.json'), seconds=1.0, images=4)
    known |= dict(memory_mib=1, device='x', started='2026-01-01T00:00:00')
    (log_dir / 'run.json').write_text(json.dumps(known | record))
    return folder


def test_only_the_categories_that_were_tested_count(tmp_path):
    truth, detections = make_coco(6, 60, 4)
    chosen = ['category 1', 'category 3']
    folder = work_dir_of(tmp_path / 'a', truth, detections, categories=chosen)
    path = write_report([folder], tmp_path / 'report')
    (run,) = json.loads(path.with_name('report.json').read_text())['runs']
    assert [category['name'] for category in run['segm']['categories']] == chosen
    other = work_dir_of(tmp_path / 'b', truth, detections, categories=chosen[:1])
    with pytest.raises(UserError, match='tested on different categories'):
        write_report([folder, other], tmp_path / 'report')


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


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        ('[{"image_id": 3, "category_id": 1, "bbox": [1, 1, 5, 5]}]', "entry 0 .* lacks 'score'"),
        ('[{"image_id": 3}]', "has neither 'bbox' nor 'segmentation'"),
        (
            '[{"image_id": 3, "category_id": 1, "bbox": [1, 1, NaN, 5], "score": 0.5}]',
            'entry 0 .* is not a detection by COCO',
        ),
        (
            '[{"image_id": 3, "category_id": 1, "segmentation": [[1, 1, 5, 5]], "score": 0.5}]',
            'a mask as compressed RLE',
        ),
        (
            '[{"image_id": [3], "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}]',
            'entry 0 .* whole numbers as ids',
        ),
        ('[3]', "has neither 'bbox' nor 'segmentation'"),
        ('{"annotations": []}', 'holds no list of detections'),
        ('[{', 'is not JSON'),
        (
            '[{"image_id": 77, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}]',
            'of another dataset .* image_id .*such as 77',
        ),
    ],
)
def test_results_that_are_not_sound_are_refused(tmp_path, content, words):
    truth, _ = make_coco(2, 4, 1)
    _, ann_file = save(tmp_path, truth, [])
    bad = tmp_path / 'bad.json'
    bad.write_text(content)
    with pytest.raises(UserError, match=words):
        write_report([bad], tmp_path / 'report', ann_file=ann_file)


def test_what_is_not_there_or_not_to_be_read_is_refused(tmp_path):
    truth, detections = make_coco(2, 4, 1)
    results, ann_file = save(tmp_path, truth, detections)
    (tmp_path / 'out.pkl').write_bytes(b'')
    (tmp_path / 'empty').mkdir()
    for path, kwargs, words in (
        (tmp_path / 'none.json', {}, 'none.json does not exist'),
        (results, {}, 'name its annotations with --ann-file'),
        (results, dict(ann_file=tmp_path / 'no.json'), 'annotation file .*no.json .* not exist'),
        (tmp_path / 'out.pkl', dict(ann_file=ann_file), 'pickled objects, which can run code'),
        (tmp_path / 'empty', {}, 'holds no COCO test: run mmgreen test'),
    ):
        with pytest.raises(UserError, match=words):
            write_report([path], tmp_path / 'report', **kwargs)
    with pytest.raises(UserError, match='2 runs need as many names, not a'):
        write_report([results, results], tmp_path / 'report', names=['a'], ann_file=ann_file)
    with pytest.raises(
        UserError, match='groups must have the same number of runs.*: 2 of a, 1 of b'
    ):
        write_report([results] * 3, tmp_path / 'report', names=['a', 'b', 'a'], ann_file=ann_file)


def test_overfitting_begins_where_the_validation_loss_is_lowest():
    steps = np.array([100, 200, 300, 400])
    assert overfitting_from(steps, np.array([2.0, 1.0, 1.1, 1.3])) == 200
    assert overfitting_from(steps, np.array([2.0, 1.0, 0.9, 0.905])) is None, 'noise'
    assert overfitting_from(steps, np.array([2.0, 1.0, 0.9, 0.8])) is None


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
