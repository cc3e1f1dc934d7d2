"""A run's folder in the place of a checkpoint."""

import os

import pytest

from mmgreen.checkpoints import find_checkpoint
from mmgreen.errors import UserError


def test_a_folder_gives_its_best_checkpoint_or_else_its_last(tmp_path, logged):
    run = tmp_path / 'run'
    run.mkdir()
    with pytest.raises(UserError, match='run has no checkpoint of a training'):
        find_checkpoint(run)
    for name in ('iter_3.pth', 'iter_6.pth'):
        (run / name).touch()
    (run / 'last_checkpoint').write_text(str(run / 'iter_6.pth'))
    assert find_checkpoint(run) == str(run / 'iter_6.pth')
    for i, name in enumerate(('best_coco_segm_mAP.pth', 'best_coco_bbox_mAP_iter_3.pth')):
        (run / name).touch()
        os.utime(run / name, (i, i))
    assert find_checkpoint(str(run)) == str(run / 'best_coco_bbox_mAP_iter_3.pth')
    assert 'best_coco_bbox_mAP_iter_3.pth, the best by validation of' in logged.text
    assert find_checkpoint(run, last=True) == str(run / 'iter_6.pth')


def test_a_run_that_was_moved_is_found_where_it_is(tmp_path):
    (tmp_path / 'iter_6.pth').touch()
    (tmp_path / 'last_checkpoint').write_text('/gone/iter_6.pth')
    assert find_checkpoint(tmp_path) == str(tmp_path / 'iter_6.pth')


@pytest.mark.parametrize('path', ['hf://owner/name', 'there/is/none.pth', 'FOLDER'])
def test_other_things_stay_as_they_are(path, tmp_path):
    if path == 'FOLDER':  # of timm's layout
        (tmp_path / 'model.safetensors').touch()
        path = str(tmp_path)
    assert find_checkpoint(path) == path
