"""Features that collapse are noticed."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from helpers import run_tool, small_greenmim, small_swin, small_twins
from mmengine.config import Config
from mmengine.logging import MMLogger

from mmgreen.engine.hooks import FeatureHealthHook, feature_health_hook
from mmgreen.evaluation import effective_rank, share_within_images


def test_the_rank_is_the_number_of_directions_that_are_filled():
    generator = torch.Generator().manual_seed(0)
    directions = torch.linalg.qr(torch.randn(16, 16, generator=generator))[0]
    for rank in (1, 4, 16):
        weights = torch.randn(6000, rank, generator=generator)
        assert effective_rank(weights @ directions[:rank]) == pytest.approx(rank, rel=0.02)
    assert effective_rank(torch.ones(5, 3)) == pytest.approx(1)


def test_variance_lies_within_images_or_between_them():
    places, images = torch.randn(1, 50, 8), torch.randn(40, 1, 8)
    assert share_within_images(places.expand(40, -1, -1)) == pytest.approx(1)
    assert share_within_images(images.expand(-1, 50, -1)) == pytest.approx(0, abs=1e-6)
    assert share_within_images(places + images) == pytest.approx(0.5, abs=0.1)


def test_a_fall_is_warned_of_each_time_and_the_start_is_not(capsys):
    class Runner:
        logger = MMLogger('test_health', logger_name='test_health')

    def warned(step, ranks, within=(0.5, 0.4)):
        hook._warn(Runner, f'iter {step}', ranks, within)
        return capsys.readouterr().out

    hook = FeatureHealthHook('nowhere')
    for step, ranks in enumerate(([9.0, 8.0], [9.0, 12.0], [8.0, 7.0])):
        assert not warned(step, ranks)
    for step in (3, 4):
        assert f'Features of stage 2 collapse (iter {step})' in warned(step, [8.0, 5.0])
    assert 'Features of stage 1 collapse (iter 5)' in warned(5, [8.0, 7.0], [0.05, 0.4])


def test_features_that_are_not_finite_end_no_run(caplog, monkeypatch):
    features = [torch.ones(2, 4, 3), torch.full((2, 4, 3), torch.nan)]
    monkeypatch.setattr(feature_health_hook, '_stage_features', lambda *_: features)
    runner = SimpleNamespace(
        model=None,
        logger=logging.getLogger('test'),
        cfg=Config(dict(model=dict(backbone=dict()))),
    )
    hook = FeatureHealthHook('nowhere')
    hook._loaded = [np.zeros((4, 4, 3), np.uint8)]
    hook._measure(runner, 1)
    assert 'not finite: not measured' in caplog.text


@pytest.mark.parametrize(
    ('backbone', 'shapes'),
    [
        (small_swin(pad_small_map=True), [(256, 16), (64, 32), (16, 64), (4, 128)]),
        (small_twins(), [(256, 32), (64, 32), (16, 64), (4, 64)]),
    ],
)
def test_features_of_every_stage_are_measured(backbone, shapes):
    model = small_greenmim(backbone=backbone)
    model.train()
    images = [
        np.random.default_rng(i).integers(255, size=(40, 50, 3), dtype=np.uint8) for i in (0, 1)
    ]
    found = feature_health_hook._stage_features(model, images, 64)
    assert [tuple(features.shape) for features in found] == [(2, *shape) for shape in shapes]
    assert model.training


def test_a_run_measures_logs_and_reports(demo, tmp_path):
    """Colours that tell the class of flat images are found by nearest neighbours."""
    for name, colour in (('red', 30), ('blue', 220)):
        (tmp_path / 'held_out' / name).mkdir(parents=True)
        for i in range(8):
            flat = np.full((64, 64, 3), colour + i, dtype=np.uint8)
            cv2.imwrite(str(tmp_path / 'held_out' / name / f'{i}.png'), flat)
    done = run_tool(
        *('tools/train.py', 'configs/quickstart/greenmim_swin-nano_demo.py'),
        *('--work-dir', tmp_path / 'work', '--cfg-options', f'data_root={demo}/'),
        *('train_cfg.max_epochs=3', 'train_dataloader.batch_size=16'),
        *('train_dataloader.num_workers=0', f'custom_hooks.1.images={tmp_path}/held_out'),
        'custom_hooks.1.interval=2',
    )
    assert done.returncode == 0, done.stderr
    (log,) = (tmp_path / 'work').glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    measured = [row for row in rows if 'health/rank_stage1' in row]
    assert [row['epoch'] for row in measured] == [0, 2, 3]
    assert [row['step'] for row in measured] == [0, 4, 6]
    for row in measured:
        for stage, channels in enumerate((32, 64, 128), 1):
            assert 1 <= row[f'health/rank_stage{stage}'] <= channels
            assert 0 <= row[f'health/within_stage{stage}'] <= 1
    assert measured[0]['health/knn'] == 100

    done = run_tool(
        'tools/analysis/coco_report.py', tmp_path / 'work', '--out', tmp_path / 'report'
    )
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / 'report/report.json').read_text())
    curve = data['pretraining']['features']['Effective rank of features']['stage 3']
    assert [point['step'] for point in curve] == [0, 4, 6]
    page = Path(tmp_path / 'report/report.html').read_text()
    assert 'Share of variance within images' in page
