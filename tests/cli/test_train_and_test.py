"""The tools from the command line: pre-train, fine-tune, test, resume."""

import json
import pickle
import re
import shutil

import pytest
import torch
from helpers import run_python, run_tool

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
FAST = ('train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False')
# Two backbones of 16 channels that fit each other
ARCH = 'model.backbone.arch.embed_dims=16'
NARROW = ('model.neck.in_channels=[16,32,64]', ARCH)


def scalars(work_dir, key):
    """Logged values of the newest run."""
    newest = sorted(work_dir.glob('*/vis_data/scalars.json'))[-1]
    rows = [json.loads(line) for line in newest.read_text().splitlines()]
    return [row[key] for row in rows if key in row and 'health/rank_stage1' not in row]


@pytest.fixture(scope='module')
def pretrained(demo, tmp_path_factory):
    """A work dir after two epochs of pre-training."""
    work_dir = tmp_path_factory.mktemp('pretrain')
    done = run_tool(
        *('tools/train.py', PRETRAIN, '--work-dir', work_dir, '--cfg-options', *FAST, ARCH),
        *(f'data_root={demo}/', 'model.neck.embed_dim=64', 'train_dataloader.batch_size=8'),
        *('train_cfg.max_epochs=2', 'default_hooks.logger.interval=1'),
        'default_hooks.checkpoint.interval=1',
    )
    assert done.returncode == 0, done.stderr
    return work_dir


@pytest.fixture(scope='module')
def detector(demo, pretrained, tmp_path_factory):
    """A work dir after an epoch of fine-tuning from that, and what was printed."""
    work_dir = tmp_path_factory.mktemp('detect')
    done = run_tool(
        *('tools/train.py', DETECT, '--work-dir', work_dir, '--cfg-options', *FAST, *NARROW),
        *(f'data_root={demo}/', f'model.backbone.init_cfg.checkpoint={pretrained}/epoch_2.pth'),
        *('train_cfg.max_epochs=1', 'train_cfg.val_interval=1'),
    )
    assert done.returncode == 0, done.stderr
    return work_dir, done.stdout + done.stderr


def test_training_checkpoints_are_read_without_pickle(pretrained, detector):
    for path in (pretrained / 'epoch_2.pth', detector[0] / 'epoch_1.pth'):
        checkpoint = torch.load(path, weights_only=True)
        assert {'state_dict', 'optimizer', 'message_hub', 'meta'} <= set(checkpoint)


def test_pre_training_logs_a_loss_for_each_step(pretrained):
    losses = scalars(pretrained, 'loss')
    assert len(losses) == 8
    assert losses[-1] < losses[0]


def test_fine_tuning_reports_what_was_loaded(detector, pretrained):
    work_dir, printed = detector
    assert re.search(r'loaded \d+ of \d+ backbone tensors', printed)
    assert f'from {pretrained}/epoch_2.pth' in printed
    assert scalars(work_dir, 'coco/segm_mAP_50')


def test_resume_goes_on_where_it_stopped(demo, pretrained):
    done = run_tool(
        *('tools/train.py', PRETRAIN, '--work-dir', pretrained, '--resume'),
        *('--cfg-options', *FAST, ARCH, f'data_root={demo}/', 'model.neck.embed_dim=64'),
        *('train_dataloader.batch_size=8', 'train_cfg.max_epochs=3'),
        *('default_hooks.logger.interval=1', 'default_hooks.checkpoint.interval=1'),
    )
    assert done.returncode == 0, done.stderr
    assert 'resumed epoch: 2, iter: 8' in done.stdout + done.stderr
    assert scalars(pretrained, 'step') == [9, 10, 11, 12]
    assert (pretrained / 'epoch_3.pth').exists()


def test_test_prints_the_tables_saves_predictions_and_draws(demo, detector, tmp_path):
    done = run_tool(
        *('tools/test.py', DETECT, detector[0] / 'epoch_1.pth', '--work-dir', tmp_path / 'test'),
        *('--out', tmp_path / 'out.pkl', '--show-dir', tmp_path / 'pictures'),
        *('--cfg-options', f'data_root={demo}/', 'test_dataloader.num_workers=0'),
        *('test_dataloader.persistent_workers=False', *NARROW),
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout + done.stderr
    for part in ('bbox', 'segm'):
        assert f'Evaluating {part}...' in printed
        assert f'coco/{part}_mAP_50' in printed
    assert len(list((tmp_path / 'pictures').glob('*.jpg'))) == 6
    with open(tmp_path / 'out.pkl', 'rb') as file:
        assert len(pickle.load(file)) == 6


def test_tiles_larger_than_the_images_change_nothing(demo, detector, tmp_path):
    found = {}
    for name, options in (('whole', ()), ('tiled', ('--tile', 512)), ('cut', ('--tile', 96))):
        done = run_tool(
            *('tools/test.py', DETECT, detector[0] / 'epoch_1.pth', *options),
            *('--work-dir', tmp_path / name, '--show-dir', tmp_path / f'{name}_pictures'),
            *('--cfg-options', f'data_root={demo}/', 'test_dataloader.num_workers=0', *NARROW),
            'model.test_cfg.rcnn.score_thr=0.001',
        )
        assert done.returncode == 0, done.stderr
        results = json.loads(next((tmp_path / name).rglob('detections.segm.json')).read_text())
        found[name] = sorted(results, key=lambda d: (d['image_id'], -d['score'], d['bbox']))
        assert len(list((tmp_path / f'{name}_pictures').glob('*.jpg'))) == 6
    assert found['whole']
    for one, other in zip(found['whole'], found['tiled'], strict=True):
        assert other['score'] == pytest.approx(one['score'], abs=1e-4)
        assert other['bbox'] == pytest.approx(one['bbox'], abs=1e-2)
        assert other['segmentation'] == one['segmentation']
    sizes = {tuple(d['segmentation']['size']) for d in found['cut']}
    assert sizes == {(192, 192)}, 'masks are of the whole image'


@pytest.mark.parametrize(
    ('command', 'words'),
    [
        (('train.py', PRETRAIN, '--cfg-options', 'data_root=nowhere/'), 'data root nowhere'),
        (('train.py', 'configs/none.py'), 'config file configs/none.py does not exist'),
        (
            ('train.py', DETECT, '--cfg-options', 'data_root={demo}/', *FAST, *NARROW)
            + ('model.backbone.init_cfg.checkpoint=none.pth',),
            'checkpoint none.pth does not exist',
        ),
        (
            ('train.py', PRETRAIN, '--cfg-options', 'data_root={demo}/', *FAST)
            + ('train_dataloader.dataset.pipeline.1.scale=72', 'train_dataloader.batch_size=2'),
            'images of 72x72 pixels (height x width) are not divisible by unit_size 16',
        ),
        (
            ('train.py', PRETRAIN, '--cfg-options', 'data_root={demo}/', 'model.mask_ratio=1.2'),
            'mask_ratio must lie between 0 and 1, not at 1.2',
        ),
        (
            ('train.py', PRETRAIN, '--cfg-options', 'data_root={demo}/', *FAST)
            + ('model.backbone.window_size=8', 'train_dataloader.batch_size=2'),
            'window_size 8 of stage 3 is larger than its feature map of 4x4',
        ),
        (
            ('test.py', DETECT, 'none.pth', '--cfg-options', 'data_root={demo}/'),
            'checkpoint none.pth does not exist',
        ),
        (('test.py', PRETRAIN, 'none.pth'), 'there is nothing to test'),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(demo, tmp_path, command, words):
    tool, *rest = (part.format(demo=demo) for part in command)
    work_dir = tmp_path / 'work'
    done = run_tool(f'tools/{tool}', rest[0], '--work-dir', work_dir, *rest[1:])
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith('error: ')
    assert words in last
    assert 'Traceback' not in done.stderr
    assert not list(tmp_path.rglob('*.pth'))


def spoil_start(own):
    (own / 'start.pth').write_text('hello')


def spoil_images(own):
    (own / 'train/000003.jpg').unlink()


def spoil_categories(own):
    path = own / 'annotations/val.json'
    content = json.loads(path.read_text())
    content['categories'].reverse()
    path.write_text(json.dumps(content))


def spoil_annotations(own):
    (own / 'annotations/train.json').write_text('{"pictures": []}')


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (spoil_start, 'start.pth is truncated or not a checkpoint'),
        (spoil_images, '1 of 24 images named in'),
        (spoil_categories, 'train and val data disagree on their categories'),
        (spoil_annotations, 'train.json is not in COCO format'),
    ],
)
def test_faults_of_data_and_start_leave_nothing_behind(demo, tmp_path, spoil, words):
    own = shutil.copytree(demo, tmp_path / 'own')
    spoil(own)
    done = run_tool(
        *('tools/train.py', DETECT, '--work-dir', tmp_path / 'work', '--cfg-options'),
        *(f'data_root={own}/', f'model.backbone.init_cfg.checkpoint={own / "start.pth"}'),
    )
    assert done.returncode == 1
    (last,) = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert words in last
    assert 'Traceback' not in done.stderr
    assert not (tmp_path / 'work').exists()


def test_a_checkpoint_with_code_is_refused_until_the_user_opts_in(demo, detector, tmp_path):
    import pathlib

    class Malicious:
        def __reduce__(self):
            return pathlib.Path.touch, (tmp_path / 'trapped',)

    checkpoint = torch.load(detector[0] / 'epoch_1.pth', weights_only=True)
    checkpoint['trap'] = Malicious()
    torch.save(checkpoint, tmp_path / 'bad.pth')
    command = (
        *('tools/test.py', DETECT, tmp_path / 'bad.pth', '--work-dir', tmp_path / 'test'),
        *('--cfg-options', f'data_root={demo}/', 'test_dataloader.num_workers=0'),
        *('test_dataloader.persistent_workers=False', *NARROW),
    )
    done = run_tool(*command)
    assert done.returncode == 1
    assert 'bad.pth holds pickled objects' in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / 'trapped').exists()
    assert run_tool(*command, '--allow-pickle').returncode == 0
    assert (tmp_path / 'trapped').exists()


@pytest.mark.parametrize('action', ['test', 'resume'])
def test_a_checkpoint_of_another_architecture_is_refused(demo, detector, tmp_path, action):
    # Without the options that made it narrow, the config is another architecture.
    checkpoint = detector[0] / 'epoch_1.pth'
    data = ('--work-dir', tmp_path, '--cfg-options', f'data_root={demo}/', *FAST)
    if action == 'test':
        done = run_tool('tools/test.py', DETECT, checkpoint, *data)
    else:
        from_scratch = 'model.backbone.init_cfg=None'
        done = run_tool('tools/train.py', DETECT, '--resume', checkpoint, *data, from_scratch)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert f'checkpoint {checkpoint} is of another architecture' in last
    assert 'of another shape (such as backbone.patch_embed.projection.weight)' in last


def test_the_example_to_copy_has_help_with_an_example():
    done = run_python('tools/deploy/run_onnx.py', '--help')
    assert done.returncode == 0
    assert 'example:' in done.stdout


def test_the_learning_rate_follows_the_total_batch(demo, tmp_path):
    done = run_tool(
        *('tools/train.py', PRETRAIN, '--work-dir', tmp_path, '--auto-scale-lr', '--cfg-options'),
        *(f'data_root={demo}/', *FAST, ARCH, 'model.neck.embed_dim=64', 'param_scheduler=[]'),
        *('train_dataloader.batch_size=8', 'train_cfg.max_epochs=1'),
        'default_hooks.logger.interval=1',
    )
    assert done.returncode == 0, done.stderr
    # The config is made for 32 images a step.
    assert scalars(tmp_path, 'lr') == [pytest.approx(1e-3 * 8 / 32)] * 4
