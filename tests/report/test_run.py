"""Runs are read: results and annotations that are sound, and those that are not."""

import json

import pytest
from synthetic import make_coco
from written import save, work_dir_of

from mmgreen.errors import UserError
from mmgreen.report import write_report


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
            'entry 0 .* numbers or texts as ids',
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
