"""A study of a folder of one's own images, by one command."""

import numpy as np
import pytest
from worlds import World, write

from mmgreen.config import load_config
from mmgreen.errors import UserError
from mmgreen.recipes import this_machine
from mmgreen.study import read_plan, study_of_folder

CPU = this_machine(None)


@pytest.fixture
def folder(tmp_path):
    images = {f'{i}.png': [(0, (2, 2, 9, 9))] for i in range(10)}
    write('COCO', World(images, ['bear']), tmp_path / 'data')
    return tmp_path / 'data'


def test_all_starts_have_the_same_time_and_none_is_chosen_by_the_test(folder, tmp_path):
    path = study_of_folder(folder, tmp_path / 'out', CPU, [2, 4], 60)
    plan = read_plan(path)
    assert (plan.labels, plan.seeds, plan.work_dir) == ([2, 4], [0, 1], tmp_path / 'out')
    assert list(plan.starts) == ['none', 'own_images', 'imagenet_net']
    # Of an hour, each of twelve.
    assert {start.detector.minutes for start in plan.starts.values()} == {5}
    assert plan.starts['own_images'].training.minutes == 2.5
    for start in plan.starts.values():
        cfg = load_config(start.detector.config, start.detector.cfg_options)
        assert cfg.custom_hooks == []
        assert cfg.default_hooks.checkpoint.save_best is None
        assert cfg.train_dataloader.dataset.data_root == f'{folder}/'
    types = [
        load_config(start.detector.config).model.backbone.type for start in plan.starts.values()
    ]
    assert types == ['mmgreen.GreenSwinTransformer'] * 2 + ['mmgreen.TimmBackbone']
    path.write_text(path.read_text() + '# mine')
    assert study_of_folder(folder, tmp_path / 'out', CPU, [2, 4], 60) == path  # to go on
    assert path.read_text().endswith('# mine')


def test_images_of_other_channels_have_no_net_of_imagenet(folder, tmp_path):
    random = np.random.default_rng(0)
    for path in folder.rglob('*.png'):
        values = random.integers(0, 9999, (20, 24, 5), dtype=np.uint16)
        np.save(path.with_suffix('.npy'), values)
        path.unlink()
    for file in folder.rglob('*.json'):
        file.write_text(file.read_text().replace('.png', '.npy'))
    plan = read_plan(study_of_folder(folder, tmp_path / 'out', CPU, [2], 60))
    assert list(plan.starts) == ['none', 'own_images']


@pytest.mark.parametrize(
    ('labels', 'minutes', 'words'),
    [
        ([2, 40], 60, 'labelled images to train on, fewer than 40'),
        ([2], 5, 'are 50 seconds for each of 6'),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(folder, tmp_path, labels, minutes, words):
    with pytest.raises(UserError, match=words):
        study_of_folder(folder, tmp_path / 'out', CPU, labels, minutes)
    assert not (tmp_path / 'out/study.py').exists()
