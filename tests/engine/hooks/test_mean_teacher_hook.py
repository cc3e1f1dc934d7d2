"""A run that learns from images without labels, as a user starts it."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.evaluator import Evaluator

from mmgreen.apis import evaluate, finetune
from mmgreen.apis.inference import load_model
from mmgreen.config import load_config
from mmgreen.engine import TeacherStudentValLoop
from mmgreen.engine.hooks import mean_teacher_hook
from mmgreen.errors import UserError

CONFIG = 'configs/own_data/semi_mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py'
PART = 'train_dataloader.dataset.datasets.'


@pytest.fixture(scope='module')
def options(demo):
    branches = PART + '1.pipeline.2.unsup_'
    tested = {
        f'{split}_dataloader.dataset.{key}': value
        for split in ('val', 'test')
        for key, value in {
            'ann_file': 'annotations/val.json',
            'data_prefix.img': 'val',
            'pipeline.1.scale': (96, 96),
        }.items()
    }
    return tested | {
        'data_root': f'{demo}/',
        PART + '0.ann_file': 'annotations/train.json',
        PART + '0.data_prefix.img': 'train',
        PART + '0.pipeline.2.scale': (96, 96),
        branches + 'teacher.0.scale': (96, 96),
        branches + 'student.0.scale': (96, 96),
        'train_dataloader.batch_size': 4,
        'train_dataloader.num_workers': 0,
        'model.detector.backbone.init_cfg': None,
        'model.score_thr': 0.0,
        'custom_hooks.0.burn_in': 1,
        'custom_hooks.0.warm_up': 2,
        'train_cfg.max_iters': 4,
        'default_hooks.logger.interval': 1,
        'train_cfg.val_interval': 4,
        'default_hooks.checkpoint.save_best': 'coco/segm_mAP',
        'default_hooks.checkpoint.rule': 'greater',
        'default_hooks.checkpoint.interval': 1,
        'default_hooks.checkpoint.max_keep_ckpts': 4,
    }


def weights(checkpoint):
    return torch.load(checkpoint, weights_only=True)['state_dict']


@pytest.fixture(scope='module')
def run(options, tmp_path_factory):
    folder = tmp_path_factory.mktemp('semi')
    finetune(CONFIG, work_dir=folder, cfg_options=options)
    return folder


def test_the_teacher_is_the_average_of_the_student(run):
    before, after = (weights(run / f'iter_{step}.pth') for step in (2, 3))
    moved = 0
    for name, value in after.items():
        if not name.startswith('teacher.'):
            continue
        student = after[name.replace('teacher.', 'student.', 1)]
        if value.is_floating_point():  # the third step moves it by a third
            torch.testing.assert_close(value, before[name] * 2 / 3 + student / 3)
            moved += bool((value != before[name]).any())
    assert moved > 50


def test_it_begins_with_labels_alone(run):
    (log,) = run.glob('*/vis_data/scalars.json')
    first, second = weights(run / 'iter_1.pth'), weights(run / 'iter_2.pth')
    assert (first['labelled_batches'], first['batches']) == (1, 0)
    assert (second['labelled_batches'], second['batches']) == (2, 1)
    assert 'unsup_kept' in log.read_text()


def test_it_is_resumed_to_the_bit(run, options, tmp_path):
    shutil.copy(run / 'iter_2.pth', tmp_path)
    finetune(CONFIG, work_dir=tmp_path, cfg_options=options, resume=True)
    wanted, found = weights(run / 'iter_4.pth'), weights(tmp_path / 'iter_4.pth')
    assert wanted.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())


def figures(folder, starts):
    rows = [
        json.loads(row)
        for file in folder.glob('*/vis_data/scalars.json')
        for row in file.read_text().splitlines()
    ]
    return next(row for row in rows if any(name.startswith(starts) for name in row))


def test_both_are_validated_and_the_better_one_is_what_is_tested(run, options, tmp_path):
    found = figures(run, 'student/')
    aps = {net: found[f'{net}/coco/segm_mAP'] for net in ('teacher', 'student')}
    better = max(aps, key=aps.get)
    assert found['coco/segm_mAP'] == aps[better]
    assert found['coco/bbox_mAP'] == found[f'{better}/coco/bbox_mAP']
    (best,) = run.glob('best_*.pth')
    assert bool(weights(best)['student_is_better']) == (better == 'student')
    tested = evaluate(CONFIG, best, work_dir=tmp_path, cfg_options=options, report=False)
    assert tested.metrics['coco/segm_mAP'] == pytest.approx(aps[better])


@pytest.mark.parametrize('better', ['teacher', 'student'])
def test_the_better_one_is_kept_and_of_equals_the_teacher(
    better, run, options, tmp_path, monkeypatch
):
    """Whose figures are higher is decided here, since nets of four steps find nothing."""
    aps = dict(teacher=0.5, student=0.6 if better == 'student' else 0.5)
    asked = []

    def evaluated(self, size):
        asked.append('student' if self.model.student_is_better else 'teacher')
        return {'coco/segm_mAP': aps[asked[-1]], 'coco/bbox_mAP': 0.1}

    def built(self, *args, **kwargs):
        loop(self, *args, **kwargs)
        self.evaluator.model = self.runner.model

    loop = TeacherStudentValLoop.__init__
    monkeypatch.setattr(TeacherStudentValLoop, '__init__', built)
    monkeypatch.setattr(Evaluator, 'evaluate', evaluated)
    shutil.copy(run / 'iter_3.pth', tmp_path)
    finetune(CONFIG, work_dir=tmp_path, cfg_options=options, resume=True)
    assert asked == ['teacher', 'student']
    (best,) = tmp_path.glob('best_*.pth')
    assert bool(weights(best)['student_is_better']) == (better == 'student')
    assert figures(tmp_path, 'student/')['coco/segm_mAP'] == aps[better]
    model = load_model(load_config(CONFIG, options), best, 'cpu')
    name, value = next(iter(model.state_dict().items()))
    assert torch.equal(value, weights(best)[f'{better}.{name}'])


def test_a_detector_without_a_teacher_is_told_so(options, tmp_path):
    config = 'configs/own_data/mask-rcnn_green-swin-nano_fpn_b8-600_own-data.py'
    alone = {
        'data_root': options['data_root'],
        'model.backbone.init_cfg': None,
        'val_cfg.type': 'mmgreen.TeacherStudentValLoop',
    }
    alone |= {
        f'{split}_dataloader.dataset.{key}': name
        for split in ('train', 'val', 'test')
        for key, name in {
            'ann_file': f'annotations/{"train" if split == "train" else "val"}.json',
            'data_prefix.img': 'train' if split == 'train' else 'val',
        }.items()
    }
    with pytest.raises(UserError, match="not MaskRCNN: set it to 'ValLoop'"):
        finetune(config, work_dir=tmp_path, cfg_options=alone)


def test_what_it_teaches_is_said_and_what_it_is_in_doubt_of_written(run, demo):
    text = next(run.glob('*/*.log')).read_text()
    assert 'boxes an image become labels, where labelled images have' in text
    rows = json.loads((run / 'unsure.json').read_text())
    # Two a step, in three steps; some may be seen twice.
    assert 2 <= len(rows) <= 6
    assert all(Path(row['image']).parent == demo / 'unlabelled' for row in rows)
    doubts = [row['doubtful'] for row in rows]
    assert doubts == sorted(doubts, reverse=True)


def test_the_record_says_which_images_were_trained_on(run, demo):
    record = json.loads(next(run.glob('*/run.json')).read_text())
    assert record['trained_on'] == [
        dict(folder=f'{demo}/train', listed=f'{demo}/annotations/train.json'),
        dict(folder=f'{demo}/unlabelled', listed=None),
    ]
    assert record['images'] == 4 * 4


def test_a_teacher_that_is_sure_of_nothing_is_said(logged):
    model = SimpleNamespace(
        objects=torch.tensor([1.0, 2.0]), sure=0.5, score_thr=0.3,
        labels_per_image=lambda: torch.tensor([0.0, 0.01]),
    )  # fmt: skip
    mean_teacher_hook._say(model, ('bear', 'bee'))
    assert '0.01 boxes an image become labels' in logged.text
    assert 'bee 0.01 of 2.00, bear 0.00 of 1.00' in logged.text
    assert 'The teacher is sure of hardly anything: lower model.score_thr (0.3)' in logged.text
    assert 'No box becomes a label of bear' in logged.text


def test_the_teacher_alone_is_loaded_to_detect_and_to_export(run, options):
    cfg = load_config(CONFIG, options)
    model = load_model(cfg, run / 'iter_4.pth', 'cpu')
    wanted = weights(run / 'iter_4.pth')
    for name, value in model.state_dict().items():
        assert torch.equal(value, wanted[f'teacher.{name}'])
    assert type(model).__name__ == 'MaskRCNN'
    by_student = load_config(CONFIG, options | {'model.semi_test_cfg': dict(predict_on='student')})
    model = load_model(by_student, run / 'iter_4.pth', 'cpu')
    for name, value in model.state_dict().items():
        assert torch.equal(value, wanted[f'student.{name}'])
