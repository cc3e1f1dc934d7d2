"""What a run would stumble over is said before it starts, in one sentence."""

import argparse
import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers import ROOT, small_swin
from mmengine.registry import (
    HOOKS,
    LOOPS,
    MODELS,
    OPTIM_WRAPPER_CONSTRUCTORS,
    TASK_UTILS,
    VISUALIZERS,
)

from mmgreen.cli.arguments import add_cfg_options
from mmgreen.config import load_config
from mmgreen.engine import prepare_run
from mmgreen.engine.runner import device
from mmgreen.engine.runner.checks import check_run
from mmgreen.engine.runner.checks.settings import warn_of_slips
from mmgreen.engine.runner.complete import IN_PLACE_OF
from mmgreen.engine.runner.device import why_no_gpu
from mmgreen.errors import UserError

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'


def prepared(config, mode='train', **options):
    options = {'model.backbone.init_cfg': None, **options}
    cfg = load_config(str(ROOT / config), options)
    prepare_run(cfg, mode)
    return cfg


@pytest.fixture
def own(demo, tmp_path) -> Path:
    """A copy of the demo dataset to spoil."""
    return Path(shutil.copytree(demo, tmp_path / 'own'))


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def drop_category(content, name):
    (number,) = (c['id'] for c in content['categories'] if c['name'] == name)
    content['categories'] = [c for c in content['categories'] if c['id'] != number]
    content['annotations'] = [a for a in content['annotations'] if a['category_id'] != number]


def test_data_root_reaches_datasets_and_evaluators(demo):
    cfg = prepared(DETECT, data_root=f'{demo}/')
    for split in ('train', 'val', 'test'):
        assert Path(cfg[f'{split}_dataloader'].dataset.data_root) == demo
    assert Path(cfg.val_evaluator.ann_file) == demo / 'annotations/val.json'


def test_the_evaluator_reads_what_the_dataset_reads(demo):
    options = {
        'test_dataloader.dataset.ann_file': 'annotations/train.json',
        'test_dataloader.dataset.data_prefix.img': 'train',
    }
    cfg = prepared(DETECT, 'test', data_root=str(demo), **options)
    assert Path(cfg.test_evaluator.ann_file) == demo / 'annotations/train.json'


def test_number_of_classes_follows_the_annotations(own):
    def add(content):
        content['categories'] += [dict(id=6, name='pear'), dict(id=7, name='fig')]

    for split in ('train', 'val'):
        edit(own / f'annotations/{split}.json', add)
    cfg = prepared(DETECT, data_root=str(own))
    assert cfg.model.roi_head.bbox_head.num_classes == 7
    assert cfg.model.roi_head.mask_head.num_classes == 7


def test_work_dir_defaults_to_the_name_of_the_config():
    assert load_config(str(ROOT / PRETRAIN)).work_dir == 'work_dirs/greenmim_swin-nano_demo'


@pytest.mark.parametrize(
    ('has', 'wrapper'), [(False, 'OptimWrapper'), (True, 'mmgreen.BFloat16OptimWrapper')]
)
def test_configs_for_gpus_run_without_one(demo, monkeypatch, has, wrapper):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    monkeypatch.setattr('mmgreen.engine.runner.complete.computes_in_bfloat16', lambda: has)
    config = 'configs/greenmim/greenmim_swin-base-w7_8xb256-amp-coslr-100e_in1k.py'
    cfg = prepared(
        config, **{'data_root': str(demo), 'train_dataloader.dataset.data_prefix': 'unlabelled'}
    )
    assert cfg.optim_wrapper.type == wrapper
    assert 'loss_scale' not in cfg.optim_wrapper
    assert cfg.env_cfg.dist_cfg.backend == 'gloo'


@pytest.mark.parametrize(
    ('config', 'options', 'words'),
    [
        ('configs/none.py', {}, r'none.py does not exist'),
        (PRETRAIN, {'data_root': 'nowhere'}, r'data root nowhere.* does not exist'),
        (
            PRETRAIN,
            {'train_dataloader.dataset.data_prefix': 'nothing'},
            r'image folder .*nothing does not exist \(train_dataloader.dataset.data_prefix\)',
        ),
        (
            DETECT,
            {'val_dataloader.dataset.ann_file': 'annotations/none.json'},
            r'annotation file .*none.json does not exist \(val_dataloader.dataset.ann_file\)',
        ),
        (
            DETECT,
            {'train_dataloader.dataset.ann_file': 'demo.json'},
            r'demo.json is not in COCO format',
        ),
        (
            PRETRAIN,
            {'model.mask_rate': 0.5},
            "model: mmgreen.GreenMIM has no setting 'mask_rate'; it has .*mask_ratio",
        ),
        (
            PRETRAIN,
            {'model.backbone.windows': 7},
            "model.backbone: mmgreen.GreenSwinTransformer has no setting 'windows'",
        ),
        (
            DETECT,
            {'train_dataloader.dataset.annotations': 'x'},
            "mmgreen.CocoDataset has no setting 'annotations'",
        ),
        (PRETRAIN, {'model.neck.type': 'mmgreen.Decoder'}, "there is no 'mmgreen.Decoder'"),
    ],
)
def test_what_is_wrong_is_said(demo, config, options, words):
    options = {'data_root': f'{demo}/', **options}
    with pytest.raises(UserError, match=words) as caught:
        prepared(config, **options)
    assert '\n' not in str(caught.value)


def test_there_is_nothing_to_test_in_pre_training(demo):
    with pytest.raises(UserError, match='there is nothing to test'):
        prepared(PRETRAIN, 'test', data_root=str(demo))


def test_a_config_with_a_syntax_error_is_named(tmp_path):
    (tmp_path / 'bad.py').write_text('model = dict(')
    with pytest.raises(UserError, match=r'bad.py cannot be read'):
        load_config(str(tmp_path / 'bad.py'))


def test_options_that_do_not_fit_are_named():
    with pytest.raises(UserError, match='--cfg-options do not fit'):
        load_config(str(ROOT / PRETRAIN), {'train_dataloader.dataset.pipeline.9.scale': 3})


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda c: drop_category(c, 'carrot'), "only in the first 'carrot'"),
        (lambda c: c['categories'].reverse(), 'same names in another order'),
    ],
)
def test_categories_that_disagree_are_refused(own, change, words):
    edit(own / 'annotations/val.json', change)
    with pytest.raises(UserError, match=f'train and val data disagree .*{words}'):
        prepared(DETECT, data_root=str(own))


def test_images_that_are_missing_are_listed(own):
    gone = sorted((own / 'train').iterdir())[:12]
    for path in gone:
        path.unlink()
    with pytest.raises(UserError) as caught:
        prepared(DETECT, data_root=str(own))
    message = str(caught.value)
    assert '12 of 24 images named in' in message
    assert all(path.name in message for path in gone[:10])
    assert message.endswith('and 2 more')


def test_validation_by_training_images_is_warned_of(demo, logged):
    place = dict(ann_file='annotations/train.json', data_prefix=dict(img='train'))
    options = {f'val_dataloader.dataset.{key}': value for key, value in place.items()}
    prepared(DETECT, data_root=f'{demo}/', **options)
    assert '24 of 24 images of val are those of training' in logged.text


def test_boxes_that_are_dropped_are_counted_in_a_warning(own, logged):
    def spoil(content):
        content['annotations'][0]['bbox'][2] = 0
        content['annotations'][1]['bbox'][0] = 1000

    edit(own / 'annotations/train.json', spoil)
    prepared(DETECT, data_root=str(own))
    (warning,) = [r for r in logged.records if r.levelname == 'WARNING']
    assert '1 without area (ids 1) and 1 outside the image (ids 2)' in (warning.getMessage())
    assert 'are left out of training' in warning.getMessage()


def test_boxes_without_masks_are_refused_where_masks_are_learnt(own):
    edit(own / 'annotations/train.json', lambda c: c['annotations'][3].pop('segmentation'))
    with pytest.raises(UserError, match=r'1 of \d+ annotations in .*train.json have no segm'):
        prepared(DETECT, data_root=str(own))
    without = {
        'train_dataloader.dataset.pipeline.1.with_mask': False,
        'val_dataloader.dataset.pipeline.2.with_mask': False,
    }
    prepared(DETECT, data_root=str(own), **without)


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda path: None, 'c.pth does not exist'),
        (lambda path: path.write_text('hello'), 'c.pth is truncated or not a checkpoint'),
        (lambda path: torch.save({'a': torch.ones(1)}, path), 'its format is not known'),
        (
            lambda path: torch.save(small_swin().state_dict(), path),
            'it is of 16 channels, .* the backbone of 32 channels',
        ),
        (lambda path: torch.save({'trap': Path('x')}, path), 'holds pickled objects'),
    ],
)
def test_a_checkpoint_to_start_from_is_read_beforehand(demo, tmp_path, make, words):
    make(tmp_path / 'c.pth')
    start = dict(type='Pretrained', checkpoint=str(tmp_path / 'c.pth'))
    with pytest.raises(UserError, match=words) as caught:
        prepared(DETECT, data_root=str(demo), **{'model.backbone.init_cfg': start})
    assert '\n' not in str(caught.value)


CLASSIFY = 'configs/quickstart/green-swin-nano_imagenette.py'


def class_folders(root, **splits):
    for split, names in splits.items():
        for name in names:
            (root / split / name).mkdir(parents=True)
    return root


def test_classes_of_folders_set_the_number_of_classes_everywhere(tmp_path):
    root = class_folders(tmp_path, train='abc', val='abc')
    cfg = prepared(CLASSIFY, data_root=f'{root}/')
    assert cfg.model.head.num_classes == 3
    assert cfg.data_preprocessor.num_classes == 3  # mixup draws one-hot labels of so many


@pytest.mark.parametrize(
    ('splits', 'words'),
    [
        (dict(train='abc', val='abd'), "train and val data disagree .* first 'c', .* second 'd'"),
        (dict(train='abc', val=''), 'image folder .*val does not exist'),
        (dict(train='', val='abc'), 'image folder .*train does not exist'),
    ],
)
def test_class_folders_that_disagree_are_refused(tmp_path, splits, words):
    root = class_folders(tmp_path, **splits)
    with pytest.raises(UserError, match=words):
        prepared(CLASSIFY, data_root=f'{root}/')


def test_batch_norm_is_not_synchronised_without_a_gpu(coco_tiny, monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    (config,) = (ROOT / 'configs/cascade_mask_rcnn').glob('*base*3x*.py')
    cfg = prepared(config, data_root=f'{coco_tiny}/')
    assert [h.norm_cfg.type for h in cfg.model.roi_head.bbox_head] == ['BN'] * 3


def test_a_package_that_is_not_installed_is_named(tmp_path):
    (tmp_path / 'c.py').write_text("_base_ = 'mmpose::body/config.py'")
    with pytest.raises(UserError, match=r'mmpose is not installed.*requirements/optional.txt'):
        load_config(str(tmp_path / 'c.py'))


def test_steps_are_quick(demo, monkeypatch):
    """Few groups, one kernel for the optimizer, and on a GPU nothing that waits."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    for config in (PRETRAIN, DETECT):
        cfg = prepared(config, data_root=f'{demo}/')
        assert cfg.optim_wrapper.optimizer.fused
        assert cfg.optim_wrapper.constructor == 'mmgreen.OptimWrapperConstructor'
        assert cfg.default_hooks.runtime_info.type == 'mmgreen.RuntimeInfoHook'
        preprocessor = cfg.get('data_preprocessor') or cfg.model.data_preprocessor
        assert preprocessor.type.startswith('mmgreen.')
        assert preprocessor.non_blocking
        assert cfg.train_dataloader.pin_memory


def test_what_other_preprocessors_do_not_take_is_not_given_them(imagenette, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')  # mmengine's logger looks it up
    cfg = prepared('configs/quickstart/green-swin-nano_imagenette.py', data_root=f'{imagenette}/')
    assert 'non_blocking' not in cfg.data_preprocessor
    assert cfg.train_dataloader.pin_memory


@pytest.mark.parametrize('mode', ['train', 'test'])
def test_the_config_that_a_run_writes_can_be_run(demo, tmp_path, mode):
    written = prepared(DETECT, data_root=f'{demo}/')
    written.dump(tmp_path / 'written.py')
    again = prepared(tmp_path / 'written.py', mode)
    kinds = [hook.type for hook in again.custom_hooks]
    assert len(set(kinds)) == len(kinds)
    assert {hook.type for hook in written.custom_hooks} == set(kinds)


def test_several_processes_keep_the_gradients_once(demo):
    cfg = prepared(PRETRAIN, data_root=f'{demo}/', launcher='pytorch')
    wrapper = cfg.model_wrapper_cfg
    assert (wrapper.gradient_as_bucket_view, wrapper.broadcast_buffers) == (True, False)
    given = dict(find_unused_parameters=True, gradient_as_bucket_view=False)
    cfg = prepared(PRETRAIN, data_root=f'{demo}/', launcher='pytorch', model_wrapper_cfg=given)
    wrapper = cfg.model_wrapper_cfg
    assert wrapper.find_unused_parameters
    assert (wrapper.gradient_as_bucket_view, wrapper.broadcast_buffers) == (False, False)


def test_gradients_of_a_graph_are_reduced_at_once(demo, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    wrapper = partial(prepared, PRETRAIN, data_root=f'{demo}/', launcher='pytorch')
    assert wrapper().model_wrapper_cfg == dict(type='mmgreen.FlatDataParallel')
    for options in ({'model.cuda_graph': False}, dict(model_wrapper_cfg=dict(bucket_cap_mb=50))):
        assert wrapper(**options).model_wrapper_cfg.type == 'MMDistributedDataParallel'


def test_a_model_that_is_split_over_processes_is_refused(demo):
    options = dict(runner_type='FlexibleRunner', strategy=dict(type='FSDPStrategy'))
    with pytest.raises(UserError, match=r'strategy.type FSDPStrategy.* set strategy.type to DDP'):
        prepared(PRETRAIN, data_root=f'{demo}/', **options)
    wrapper = dict(type='MMFullyShardedDataParallel')
    with pytest.raises(UserError, match='set model_wrapper_cfg.type to MMDistributedDataParallel'):
        prepared(PRETRAIN, data_root=f'{demo}/', model_wrapper_cfg=wrapper)


def test_a_checkpoint_to_start_from_needs_no_type(demo, tmp_path):
    missing = str(tmp_path / 'nothing.pth')
    for config in (DETECT, PRETRAIN):
        cfg = load_config(str(ROOT / config), {'data_root': f'{demo}/'})
        cfg.model.backbone.init_cfg = None
        cfg = load_config(cfg, {'model.backbone.init_cfg.checkpoint': missing})
        with pytest.raises(UserError, match=r'nothing\.pth'):
            prepare_run(cfg, 'train')


def test_a_setting_can_be_made_below_none():
    cfg = load_config(
        str(ROOT / PRETRAIN), {'model.init_cfg.checkpoint': 'some.pth', 'model.init_cfg.prefix': ''}
    )
    assert cfg.model.init_cfg.checkpoint == 'some.pth'


def test_a_key_that_nothing_reads_is_warned_of(demo, logged):
    prepared(DETECT, data_root=f'{demo}/', **{'train_dataloder.batch_size': 4, 'my_choice': 3})
    said = [r.getMessage() for r in logged.records if 'nothing reads' in r.getMessage()]
    assert len(said) == 1
    assert "'train_dataloder'; did you mean 'train_dataloader'?" in said[0]


def test_configs_of_this_project_are_not_warned_of(logged):
    for path in sorted((ROOT / 'configs').glob('[!_s]*/*.py')):
        warn_of_slips(load_config(str(path)))
    assert not [r.getMessage() for r in logged.records if 'nothing reads' in r.getMessage()]


@pytest.mark.parametrize(
    'value', ["custom_hooks=[dict(type='EarlyStoppingHook')]", "custom_hooks=[{'type':'X'}]"]
)
def test_dicts_on_the_command_line_are_refused(value, capsys):
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(['--cfg-options', value])
    assert 'dicts cannot be written on a command line' in capsys.readouterr().err


def test_a_gpu_that_is_not_found_is_said_with_the_reason(demo, logged, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.version, 'cuda', None)
    assert 'built without CUDA' in why_no_gpu()
    monkeypatch.setattr(torch.version, 'cuda', '13.0')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    assert "CUDA_VISIBLE_DEVICES='' hides all GPUs" in why_no_gpu()
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES')
    monkeypatch.setattr(device, '_DRIVER', Path('/nowhere'))
    assert 'no driver of NVIDIA is loaded' in why_no_gpu()

    def too_old():
        raise RuntimeError('The NVIDIA driver on your system is too old (found version 11040).')

    monkeypatch.setattr(device, '_DRIVER', demo)
    monkeypatch.setattr(torch.cuda, 'init', too_old)
    prepared(DETECT, data_root=f'{demo}/')
    (record,) = [r for r in logged.records if 'NO GPU' in r.getMessage()]
    assert record.levelname == 'WARNING'
    assert 'CUDA 13.0 cannot use the driver (The NVIDIA driver' in record.getMessage()


def test_a_test_does_without_training_data(own, tmp_path):
    """EarlyStoppingHook asks for the training loop as soon as anything runs."""
    (own / 'annotations/train.json').unlink()
    options = {
        'data_root': f'{own}/',
        'model.backbone.init_cfg': None,
        'test_dataloader.num_workers': 0,
        'train_dataloader.num_workers': 0,
    }
    cfg = load_config(str(ROOT / DETECT), options, tmp_path)
    cfg.custom_hooks = [dict(type='EarlyStoppingHook', monitor='coco/bbox_mAP')]
    prepare_run(cfg, 'test')
    assert 'EarlyStoppingHook' not in [hook.type for hook in cfg.custom_hooks]


def test_panoptic_training_names_the_package_that_it_needs(monkeypatch):
    monkeypatch.setattr('mmgreen.engine.runner.checks.settings.find_spec', lambda name: None)
    config = 'configs/mask2former/mask2former_green-swin-tiny-w7_8xb2-lsj-50e_coco-panoptic.py'
    with pytest.raises(UserError, match='LoadPanopticAnnotations needs a package .* git'):
        prepared(config)


@pytest.mark.parametrize(
    ('config', 'mode'), [(PRETRAIN, 'train'), (DETECT, 'train'), (DETECT, 'test')]
)
def test_a_check_changes_nothing(demo, config, mode):
    options = {'model.backbone.init_cfg': None, 'train_dataloader.repeats': 2}
    cfg = load_config(str(ROOT / config), {'data_root': f'{demo}/', **options})
    before = cfg.to_dict()
    check_run(cfg, mode)
    assert cfg.to_dict() == before


def test_what_stands_in_for_upstream_takes_its_settings():
    """A name in the table is that of a module upstream, which ours can take the place of."""
    registries = (HOOKS, LOOPS, MODELS, OPTIM_WRAPPER_CONSTRUCTORS, TASK_UTILS, VISUALIZERS)
    for name, ours in IN_PLACE_OF.items():
        registry = next(each for each in registries if each.get(ours))
        scopes = ('mmengine', 'mmdet', 'mmpretrain')
        upstream = [found for scope in scopes if (found := registry.get(f'{scope}.{name}'))]
        assert upstream, name
        assert issubclass(registry.get(ours), tuple(upstream)), name
