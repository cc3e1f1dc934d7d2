"""Every config builds, says what its name says, and is counted in a metafile."""

import copy
import re
from functools import lru_cache

import pytest
import yaml
from helpers import ROOT, run_tool, weights_as_they_come
from mmengine.registry import DATASETS, MODELS, DefaultScope

from mmgreen.config import around_backbone
from mmgreen.config import load_config as load
from mmgreen.models import GreenBackbone

CONFIGS = sorted(
    p for p in (ROOT / 'configs').glob('*/*.py') if p.parent.name not in ('_base_', 'studies')
)
SIZES = {  # parameters of the backbone in millions, as published for Swin, without a classifier
    'tiny': 27.5,
    'small': 48.8,
    'base': 86.7,
    'large': 195.0,
}
OWN = ('quickstart', 'own_data', 'semi')  # of this project alone
INDEX = ROOT / 'model-index.yml'


_read = lru_cache(maxsize=None)(load)


def load_config(path):
    """A config, which is read from its files once."""
    return copy.deepcopy(_read(path))


def read(path):
    return yaml.safe_load((ROOT / path).read_text())


FAMILIES = {path: read(path) for path in read(INDEX)['Import']}
LISTED = {m['Config']: m for family in FAMILIES.values() for m in family['Models']}


def build(cfg):
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        config = copy.deepcopy(dict(cfg.model))
        if 'teacher' in (config.get('head') or {}):
            config['head']['teacher']['checkpoint'] = ''  # nothing is downloaded
        config.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
        return MODELS.build(config)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_builds(path):
    cfg = load_config(path)
    with weights_as_they_come():
        model = build(cfg)
    model = getattr(model, 'student', model)
    if 'green' in path.stem:
        assert isinstance(model.backbone, GreenBackbone)
    for name, size in SIZES.items():
        if f'swin-{name}' in path.stem:
            found = sum(p.numel() for p in model.backbone.parameters()) / 1e6
            assert found == pytest.approx(size, rel=0.01)
    listed = LISTED.get(str(path.relative_to(ROOT)))
    if listed:
        found = sum(p.numel() for p in model.parameters())
        assert found == listed['Metadata']['Parameters']


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_names_say_what_the_file_does(path):
    cfg = load_config(path)
    for gpus, batch in ((4, 32), (8, 256), (16, 128), (8, 512), (8, 2048), (8, 2), (32, 64)):
        machines = '4x8' if gpus == 32 else gpus
        if f'_{machines}xb{batch}-' in path.stem:
            assert cfg.train_dataloader.batch_size == batch
            assert cfg.auto_scale_lr.base_batch_size == gpus * batch
    for epochs in (90, 100, 200, 800, 1600):
        if f'-{epochs}e_' in path.stem:
            assert cfg.train_cfg.max_epochs == epochs
            last = cfg.param_scheduler[-1]
            assert last.end in (epochs, 800)  # mmpretrain's SimMIM names 800 for its milestones
            if last.type == 'CosineAnnealingLR':
                assert last.T_max == last.end - last.begin
    if 'green' in path.stem:
        for window in (7, 14):
            if f'-w{window}_' in path.stem:
                assert around_backbone(cfg.model).backbone.window_size == window
    if '_1x_' in path.stem:
        assert cfg.train_cfg.max_epochs == 12
    if '-3x_' in path.stem:
        assert cfg.train_cfg.max_epochs == 36
    if 'amp' in path.stem.split('_')[-2] or '-amp-' in path.stem:
        assert cfg.optim_wrapper.type == 'AmpOptimWrapper'


def holds_two_nets(path):
    return path.parent.name == 'semi' or path.stem.startswith('semi_')


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_downstream_configs_start_from_a_checkpoint_by_one_option(path):
    if path.parent.name in ('greenmim', 'simmim', 'mae', '_base_') or 'greenmim_' in path.stem:
        return
    if 'green' not in path.stem:  # another net, which comes with its weights
        return
    part = 'model.detector' if holds_two_nets(path) else 'model'
    cfg = load(str(path), {f'{part}.backbone.init_cfg.checkpoint': 'mine.pth'})
    found = around_backbone(cfg.model).backbone.init_cfg
    assert found == dict(type='Pretrained', checkpoint='mine.pth')


@pytest.mark.parametrize('path', LISTED, ids=lambda p: p.rsplit('/', 1)[-1])
def test_checkpoints_that_configs_name_are_those_of_configs(path):
    """work_dirs/CONFIG/epoch_N.pth, where a pre-training of N epochs leaves it."""
    checkpoint = (load_config(ROOT / path).model.backbone.get('init_cfg') or {}).get('checkpoint')
    if checkpoint:
        _, name, epoch = checkpoint.split('/')
        source = load_config(ROOT / f'configs/greenmim/{name}.py')
        assert epoch == f'epoch_{source.train_cfg.max_epochs}.pth'


def test_no_weight_decay_on_norms_biases_and_tokens():
    cfg = load_config(ROOT / 'configs/greenmim/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k.py')
    cfg.model.unit_size = 16
    model = build(cfg)
    cfg.optim_wrapper.type = 'OptimWrapper'
    cfg.optim_wrapper.pop('loss_scale')
    from mmengine.optim import build_optim_wrapper

    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    decay = {id(g['params'][0]): g['weight_decay'] for g in groups}
    free = ('norm', '.ln', 'bias', 'mask_token', 'stand_ins')
    for name, parameter in model.named_parameters():
        assert decay[id(parameter)] == (0 if any(f in name for f in free) else 0.05), name


def test_the_index_lists_every_recipe_of_a_paper():
    found = {str(p.relative_to(ROOT)) for p in CONFIGS if p.parent.name not in OWN}
    assert LISTED.keys() == found


@pytest.mark.parametrize('path', FAMILIES)
def test_metafiles_hold_what_is_needed_and_no_result_of_others(path):
    family = FAMILIES[path]
    collections = {c['Name']: c for c in family['Collections']}
    for collection in collections.values():
        assert collection['Metadata']['Architecture']
        assert collection['Paper']['URL'].startswith('https://arxiv.org/')
        assert (ROOT / collection['README']).exists()
    for model in family['Models']:
        assert model['In Collection'] in collections
        assert model['Name'] == model['Config'].rsplit('/', 1)[-1].removesuffix('.py')
        assert model['Metadata']['FLOPs'] > 1e9
        assert model['Metadata']['Training Data']
        # Filled in when a model was trained here; figures of papers are marked as such.
        assert model['Results'] is None
        assert model['Weights'] is None
        for published in model.get('Published', []):
            assert published['By']
            assert published['Metrics']


def test_the_index_is_read_by_the_library_for_it():
    import modelindex

    index = modelindex.load(str(INDEX))
    index.build_models_with_collections()
    assert {m.config for m in index.models} == set(LISTED)


@pytest.mark.parametrize(
    'path',
    [
        'configs/greenmim/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k.py',
        'configs/greenmim/greenmim_swin-base-w14_8xb256-amp-coslr-800e_in1k.py',
        'configs/imagenet/green-swin-base-w7_8xb256-coslr-100e_in1k.py',
    ],
)
def test_operations_are_those_that_the_tool_counts(path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/analysis'))
    from mmgreen.benchmark import complexity

    size, flops, parameters = complexity(str(ROOT / path))
    listed = LISTED[path]['Metadata']
    assert size == (224, 224)
    assert parameters == listed['Parameters']
    # What grouping pads depends on the mask.
    assert flops == pytest.approx(listed['FLOPs'], rel=0.01)


def test_the_tool_prints_a_row_for_each_config():
    name = 'greenmim_swin-nano_demo'
    done = run_tool('tools/analysis/complexity.py', f'configs/quickstart/{name}.py')
    assert done.returncode == 0, done.stderr
    assert re.search(rf'\| {name} +\| 64x64 +\| \d+ +\| \d+ +\|', done.stdout)


def test_configs_of_this_package_can_be_inherited_from(tmp_path):
    name = 'greenmim/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k.py'
    (tmp_path / 'mine.py').write_text(f"_base_ = 'mmgreen::{name}'\nmodel = dict(mask_ratio=0.6)")
    cfg = load(str(tmp_path / 'mine.py'))
    assert cfg.model.mask_ratio == 0.6
    assert cfg.model.backbone.arch == 'tiny'


def test_dense_and_sparse_configs_agree_on_the_weights():
    """What pre-training leaves fits every detector and classifier of its name."""

    built = {}

    def shapes(backbone):
        backbone = {k: v for k, v in backbone.items() if k not in ('init_cfg', 'drop_path_rate')}
        if str(backbone) not in built:
            with DefaultScope.overwrite_default_scope('mmpretrain'), weights_as_they_come():
                weights = MODELS.build(backbone).state_dict()
            built[str(backbone)] = {key: value.shape for key, value in weights.items()}
        return built[str(backbone)]

    for path in CONFIGS:
        if path.parent.name in ('greenmim', 'simmim', 'mae', *OWN):
            continue
        backbone = load_config(path).model.backbone
        name = backbone.init_cfg.checkpoint.split('/')[1]
        pretrained = load_config(ROOT / f'configs/greenmim/{name}.py').model.backbone
        assert shapes(pretrained).items() <= shapes(backbone).items(), path


@pytest.mark.parametrize(
    ('path', 'size'),
    [
        (
            'cascade_mask_rcnn/'
            'cascade-mask-rcnn_green-swin-tiny-w7_fpn_4conv1fc-giou_amp-lsj-scp-50e_coco',
            (1024, 1024),
        ),
        ('rtmdet/rtmdet-ins_l_green-swin-tiny-w7_4xb32-100e_coco', (640, 640)),
        ('mask2former/mask2former_green-swin-tiny-w7_8xb2-lsj-50e_coco', None),
        ('dino/dino-4scale_green-swin-tiny-w7_8xb2-12e_coco', None),
    ],
)
def test_recipes_load_real_images(path, size, coco_tiny):
    cfg = load_config(ROOT / f'configs/{path}.py')
    dataset = cfg.train_dataloader.dataset
    inner = dataset.get('dataset', dataset)
    inner.data_root = str(coco_tiny)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        samples = [DATASETS.build(dataset)[i] for i in range(3)]
    for sample in samples:
        objects = sample['data_samples'].gt_instances
        assert len(objects) > 0
        if size:
            assert sample['inputs'].shape == (3, *size)
        if 'masks' in objects:
            assert len(objects.masks) == len(objects)
            assert objects.masks.areas.min() > 0
