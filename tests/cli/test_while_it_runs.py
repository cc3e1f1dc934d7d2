"""What a run shows and leaves: record, pictures, progress bar, TensorBoard, report."""

import json
import re

import cv2
import pytest
from helpers import run_in_terminal, run_python, run_tool

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
ARCH = 'model.backbone.arch.embed_dims=16'
WORKERS = [
    f'{split}_dataloader.{option}'
    for split in ('train', 'val', 'test')
    for option in ('num_workers=0', 'persistent_workers=False')
]


def pretrain_command(demo, work_dir):
    return (
        *('tools/train.py', PRETRAIN, '--work-dir', work_dir, '--cfg-options', *WORKERS[:2], ARCH),
        *(f'data_root={demo}/', 'model.neck.embed_dim=64', 'train_dataloader.batch_size=8'),
        *('train_cfg.max_epochs=2', 'default_hooks.logger.interval=2'),
        *('default_hooks.checkpoint.interval=1', 'custom_hooks.0.interval=1'),
    )


@pytest.fixture(scope='module')
def pretrained(demo, tmp_path_factory):
    """A work dir, and what standard output, a terminal, was shown."""
    work_dir = tmp_path_factory.mktemp('runs') / 'pretrain'
    command = [*pretrain_command(demo, work_dir), '--log-to', 'tensorboard']
    status, text = run_in_terminal(*command)
    assert status == 0, text
    return work_dir, text


@pytest.fixture(scope='module')
def tested(demo, pretrained):
    """The log folder of a test, and what was printed."""
    runs = pretrained[0].parent
    narrow = ('model.neck.in_channels=[16,32,64]', ARCH, f'data_root={demo}/', *WORKERS)
    start = f'model.backbone.init_cfg.checkpoint={pretrained[0]}/epoch_2.pth'
    done = run_tool(
        *('tools/train.py', DETECT, '--work-dir', runs / 'detect', '--cfg-options', *narrow),
        *(start, 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1'),
    )
    assert done.returncode == 0, done.stderr
    assert '\x1b[?25l' not in done.stdout  # no bar where there is no terminal
    done = run_tool(
        *('tools/test.py', DETECT, runs / 'detect/epoch_1.pth', '--work-dir', runs / 'test'),
        *('--cfg-options', *narrow),
    )
    assert done.returncode == 0, done.stderr
    (record,) = (runs / 'test').glob('*/run.json')
    return record.parent, done.stdout


def test_a_terminal_shows_a_bar_with_speed_memory_and_loss(pretrained):
    bars = re.findall(r'epoch 2/2 .*?8/8.*?[\d.]+ images/s +\d+ MiB +loss \d\.\d{4}', pretrained[1])
    assert bars
    assert pretrained[1].count('\x1b[?25l') == pretrained[1].count('\x1b[?25h')  # cursor is back
    assert 'Epoch(train)' in pretrained[1]  # the log goes on above it


def test_a_run_that_fails_gives_the_cursor_back(demo, tmp_path):
    command = pretrain_command(demo, tmp_path)
    status, text = run_in_terminal(*command, 'train_dataloader.dataset.pipeline.1.scale=72')
    assert status == 1
    assert 'not divisible by unit_size 16' in text
    assert '\x1b[?25l' in text
    assert text.rindex('\x1b[?25h') > text.rindex('\x1b[?25l')


def test_scalars_hold_speed_and_memory(pretrained):
    (path,) = pretrained[0].glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [row for row in rows if 'loss' in row]
    assert len(rows) == 4
    for row in rows:
        assert row['images_per_s'] == pytest.approx(8 / row['time'], rel=0.1)
        assert 100 < row['memory'] < 20_000


def test_the_record_says_what_made_a_run_and_what_it_cost(pretrained):
    (path,) = pretrained[0].glob('*/run.json')
    record = json.loads(path.read_text())
    assert (record['mode'], record['model']) == ('train', 'mmgreen.GreenMIM')
    assert record['config'] == PRETRAIN
    assert record['self_supervised']
    assert (record['iterations'], record['images'], record['first_iteration']) == (8, 64, 0)
    assert record['seconds'] > 0
    assert set(record['versions']) >= {'python', 'torch', 'mmengine', 'mmgreen'}


def test_reconstructions_of_the_same_images_every_epoch(pretrained):
    (folder,) = pretrained[0].glob('*/vis_data/vis_image')
    paths = sorted(folder.iterdir())
    assert [path.name for path in paths] == [f'reconstruction_{epoch}.png' for epoch in range(3)]
    pictures = [cv2.imread(str(path)) for path in paths]
    tile = (pictures[0].shape[0] - 8) // 3
    for picture in pictures[1:]:
        # Masked images and originals stay; what is predicted changes.
        assert (picture[:tile] == pictures[0][:tile]).all()
        assert (picture[-tile:] == pictures[0][-tile:]).all()
        assert (picture != pictures[0]).any()


def test_tensorboard_has_scalars_and_pictures(pretrained):
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = pretrained[0].glob('*/vis_data')
    events = EventAccumulator(str(folder), size_guidance=dict(images=0))
    events.Reload()
    assert len(events.Scalars('loss')) == 4
    assert {'images_per_s', 'memory'} <= set(events.Tags()['scalars'])
    assert [event.step for event in events.Images('reconstruction')] == [0, 1, 2]


def test_a_backend_that_is_not_installed_is_named(demo, tmp_path):
    (tmp_path / 'wandb.py').touch()  # stands before an installed one, and has no spec
    done = run_python(
        '-c',
        'import sys, importlib.util as u; find = u.find_spec; '
        "u.find_spec = lambda name, *a: None if name == 'wandb' else find(name, *a); "
        "import runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')",
        *pretrain_command(demo, tmp_path / 'work'),
        *('--log-to', 'wandb'),
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        'error: wandb is not installed: pip install wandb'
    )
    assert not (tmp_path / 'work').exists()


def test_the_report_is_made_by_itself_and_says_what_was_printed(tested, pretrained):
    log_dir, printed = tested
    assert f'Report: {log_dir / "report.html"}' in printed
    data = json.loads((log_dir / 'report.json').read_text())
    (metrics,) = [json.loads(p.read_text()) for p in log_dir.glob('2*.json')]
    figures = data['runs'][0]
    for part in ('bbox', 'segm'):
        for name, figure in (('mAP', 'AP'), ('mAP_50', 'AP50'), ('mAP_m', 'AP_medium')):
            value = figures[part]['figures'][figure]
            assert metrics[f'coco/{part}_{name}'] == value
            assert f'coco/{part}_{name}: {value:.4f}' in printed
    # Back to pre-training, whose curve and pictures are there
    test, (training, pretraining) = figures['test'], figures['trainings']
    assert (test['images'], training['images'], pretraining['images']) == (6, 24, 64)
    (loss,) = [run['loss'] for run in data['pretraining'].values()]
    assert [row['step'] for row in loss] == [2, 4, 6, 8]
    html = (log_dir / 'report.html').read_text()
    for words in ('Pre-training loss', 'After epoch 2', 'Images to look at first', 'images/s'):
        assert words in html


def test_mmdets_own_metric_has_a_report_too(demo, tested, tmp_path):
    checkpoint = tested[0].parent.parent / 'detect/epoch_1.pth'
    done = run_tool(
        *('tools/test.py', DETECT, checkpoint, '--work-dir', tmp_path, '--cfg-options'),
        *(f'data_root={demo}/', *WORKERS, ARCH, 'model.neck.in_channels=[16,32,64]'),
        'test_evaluator.type=CocoMetric',
    )
    assert done.returncode == 0, done.stderr
    (report,) = tmp_path.glob('*/report.json')
    (metrics,) = [json.loads(p.read_text()) for p in tmp_path.glob('*/2*.json')]
    figures = json.loads(report.read_text())['runs'][0]['bbox']['figures']
    assert metrics['coco/bbox_mAP'] == pytest.approx(figures['AP'], abs=5e-4)  # it rounds


def test_no_report_on_request_and_none_of_what_is_no_coco_test(demo, tested, tmp_path):
    checkpoint = tested[0].parent.parent / 'detect/epoch_1.pth'
    done = run_tool(
        *('tools/test.py', DETECT, checkpoint, '--work-dir', tmp_path, '--no-report'),
        *('--cfg-options', f'data_root={demo}/', *WORKERS, ARCH),
        'model.neck.in_channels=[16,32,64]',
    )
    assert done.returncode == 0, done.stderr
    assert 'Report' not in done.stdout
    assert not list(tmp_path.rglob('report.*'))


def test_pre_training_alone_has_a_report(pretrained, tmp_path):
    done = run_tool('tools/analysis/coco_report.py', pretrained[0], '--out', tmp_path)
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / 'report.json').read_text())['pretraining']
    assert list(data['reconstructions']) == ['0', '1', '2']
    assert data['record']['images'] == 64


def test_training_that_was_resumed_is_added_up(demo, pretrained):
    from mmgreen.report.logs import scalars_of
    from mmgreen.report.provenance import training_in

    command = [
        part.replace('max_epochs=2', 'max_epochs=3') if isinstance(part, str) else part
        for part in pretrain_command(demo, pretrained[0])
    ]
    done = run_tool(*command, '--resume')
    assert done.returncode == 0, done.stderr
    training = training_in(pretrained[0])
    assert len(training.folders) == 2
    assert training.record['images'] == 96
    steps, _ = scalars_of(training, 'loss')
    assert steps.tolist() == [2, 4, 6, 8, 10, 12]
