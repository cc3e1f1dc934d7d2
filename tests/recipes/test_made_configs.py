"""What a generated config has of its images, its machine and its start."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from exports import export
from mmdet.registry import DATASETS
from safetensors.torch import save_file
from worlds import World, write

from mmgreen.apis import finetune
from mmgreen.config import load_config
from mmgreen.engine import own_scope
from mmgreen.recipes import make_configs
from mmgreen.recipes.machine import Machine
from mmgreen.registry import MODELS

CPU = Machine(None, 2)


@pytest.fixture(scope='module')
def cats_and_a_dog(tmp_path_factory):
    """Fourteen images of a cat, on one of which a dog is, too."""
    folder = tmp_path_factory.mktemp('animals')
    cat, dog = (0, (2, 2, 14, 14)), (1, (16, 4, 12, 10))
    images = {f'{i}.png': [cat, dog] if i == 5 else [cat] for i in range(14)}
    write('LabelMe', World(images, ['cat', 'dog']), folder)
    return folder


def test_a_category_of_few_objects_is_named(cats_and_a_dog, tmp_path):
    made = make_configs(cats_and_a_dog, tmp_path / 'out', CPU, seed=1)
    (line,) = [note for note in made.dataset.notes if 'hardly be found' in note]
    assert line.startswith('WARNING: fewer than 10 objects of dog (')
    assert 'cat' not in line
    assert line in (tmp_path / 'out/dataset.py').read_text()


def test_images_of_a_rare_category_are_seen_more_often(cats_and_a_dog, tmp_path):
    """Also among images without labels, with objects pasted into them, and as far as a step of training."""
    model = ['mask-rcnn_swin-nano']
    machine = Machine(24, 8)
    more = others(tmp_path)
    made = make_configs(cats_and_a_dog, tmp_path / 'out', machine, model, seed=1, unlabelled=more)
    text = made.configs[0].read_text()
    assert '# dog, in 8.3 %: 2 times' in text
    for path, inner in zip(made.configs, (lambda d: d, lambda d: d.datasets[0]), strict=True):
        cfg = load_config(str(path))
        balanced = inner(cfg.train_dataloader.dataset)
        with own_scope(cfg):
            dataset = DATASETS.build(balanced)
        seen = Counter(
            Path(dataset.dataset.get_data_info(i)['img_path']).name for i in dataset.repeat_indices
        )
        assert seen.pop('5.png') == 2
        assert set(seen.values()) == {1}
    options = {'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False}
    options |= dict(val_cfg=None, val_dataloader=None, val_evaluator=None)
    options |= dict(custom_hooks=[dict(type='mmgreen.MeanTeacherHook', burn_in=0)])
    options |= {'train_cfg.max_iters': 2, 'train_dataloader.batch_size': 4}
    plain = dict(type='OptimWrapper', optimizer=dict(type='AdamW'))
    options |= {'optim_wrapper': dict(_delete_=True, **plain)}
    finetune(made.configs[1], None, tmp_path / 'run', options)


def test_objects_are_pasted_where_images_are_seen_often_and_have_masks(cats_and_a_dog, tmp_path):
    steps = {}
    gpu = Machine(24, 8)
    for kind, machine, length in (
        ('mask', gpu, None),
        ('faster', gpu, None),
        ('mask', gpu, 10),
        ('mask', CPU, None),
    ):
        model = [f'{kind}-rcnn_swin-nano']
        out = tmp_path / f'{kind}_{machine.cores}_{length}'
        made = make_configs(cats_and_a_dog, out, machine, model, seed=1, steps=length)
        steps[out.name] = [step.type for step in load_config(str(made.configs[0])).train_pipeline]
    assert steps.pop('mask_8_None')[-2:] == ['mmgreen.CopyPaste', 'PackDetInputs']
    assert 'mmgreen.CopyPaste' not in sum(steps.values(), [])


def others(folder):
    """Images without labels."""
    write('LabelMe', World({f'{i}.png': [] for i in range(20)}, ['cat']), folder / 'others')
    for i in range(20):
        (folder / f'others/{i}.json').unlink()
    for i in range(14):  # which are those of the others
        (folder / f'others/{i}.png').unlink()
    return folder / 'others'


def test_categories_of_equal_frequency_are_left_as_they_are(tmp_path):
    cat, dog = (0, (2, 2, 14, 14)), (1, (16, 4, 12, 10))
    images = {f'{i}.png': [cat] if i % 3 else [dog] for i in range(12)}
    write('LabelMe', World(images, ['cat', 'dog']), tmp_path / 'in')
    made = make_configs(tmp_path / 'in', tmp_path / 'out', CPU)
    assert 'ClassBalanced' not in made.configs[0].read_text()


@pytest.mark.parametrize(
    ('has_bf16', 'expected'), [(True, ('bfloat16', 1.0)), (False, (None, 'dynamic'))]
)
def test_half_precision_is_what_the_gpu_has(cats_and_a_dog, tmp_path, has_bf16, expected):
    made = make_configs(cats_and_a_dog, tmp_path / 'out', Machine(24, 8, has_bf16))
    wrapper = load_config(str(made.configs[0])).optim_wrapper
    assert wrapper.type == 'AmpOptimWrapper'
    assert (wrapper.get('dtype'), wrapper.loss_scale) == expected


@pytest.mark.parametrize('lite', [False, True])
def test_a_whole_detector_to_start_from_is_read_whole(cats_and_a_dog, tmp_path, lite):
    """The weights of its head, too; of a backbone alone only those of the backbone."""
    names = dict(
        pretrained=['backbone.stages.0.x'], detector=['backbone.x', 'roi_head.bbox_head.x']
    )
    model = ['faster-rcnn_efficientnet-lite0' if lite else 'faster-rcnn_swin-nano']
    found = {}
    for name, keys in names.items():
        start = tmp_path / f'{name}.pth'
        torch.save(dict(state_dict={key: torch.zeros(1) for key in keys}), start)
        made = make_configs(cats_and_a_dog, tmp_path / name, CPU, model, str(start))
        found[name] = load_config(str(made.configs[0]))
    assert found['detector'].load_from == str(tmp_path / 'detector.pth')
    assert found['pretrained'].load_from is None
    backbones = {name: cfg.model.backbone for name, cfg in found.items()}
    if lite:
        assert backbones['pretrained'].checkpoint == str(tmp_path / 'pretrained.pth')
        assert backbones['detector'].checkpoint == ''
    else:
        assert backbones['pretrained'].init_cfg.checkpoint == str(tmp_path / 'pretrained.pth')
        assert not backbones['detector'].get('init_cfg')


def test_images_that_are_seen_often_on_a_cpu_are_shown_in_other_parts_each_time(
    cats_and_a_dog, tmp_path
):
    """And masks and boxes with them."""

    def kinds(**kwargs):
        kwargs = dict(machine=CPU) | kwargs
        made = make_configs(cats_and_a_dog, tmp_path / 'out', **kwargs)
        cfg = load_config(str(made.configs[0]))
        return cfg, [step.type for step in cfg.train_pipeline]

    assert 'RandomCrop' not in kinds(machine=Machine(24, 8))[1]
    assert 'RandomCrop' not in kinds(steps=40)[1]  # each image 27 times
    cfg, found = kinds()
    assert 'RandomCrop' in found
    with own_scope(cfg):
        dataset = DATASETS.build(cfg.train_dataloader.dataset)
        shown = [dataset[0]['data_samples'].gt_instances for _ in range(8)]
        drawn = [each.masks.get_bboxes('hbox').tensor for each in shown]
    assert len({tuple(each.bboxes.tensor.flatten().tolist()) for each in shown}) > 1
    # But where objects of an image are counted, it is seen whole.
    more = others(tmp_path)
    made = make_configs(cats_and_a_dog, tmp_path / 'semi', CPU, unlabelled=more)
    labelled = load_config(str(made.configs[1])).train_dataloader.dataset.datasets[0]
    labelled = labelled.get('dataset', labelled)
    assert [step.type for step in labelled.pipeline] == [
        *(kind for kind in found if kind not in ('RandomCrop', 'PackDetInputs')),
        'MultiBranch',
    ]
    for each, around in zip(shown, drawn, strict=True):
        grown = each.bboxes.tensor + torch.tensor([-1.5, -1.5, 1.5, 1.5])
        assert (around[:, :2] >= grown[:, :2]).all()
        assert (around[:, 2:] <= grown[:, 2:]).all()


def test_what_a_detector_has_where_no_model_is_named(cats_and_a_dog, tmp_path):
    """The net of ImageNet on a CPU; but what a start, a teacher or other channels ask for."""

    def models(folder=cats_and_a_dog, machine=CPU, **kwargs):
        return make_configs(folder, tmp_path / 'out', machine, **kwargs).models

    def start(key):
        torch.save(dict(state_dict={key: torch.zeros(1)}), tmp_path / 'start.pth')
        return str(tmp_path / 'start.pth')

    assert models() == ['mask-rcnn_efficientnet-lite0']
    assert models(machine=Machine(24, 8)) == ['mask-rcnn_swin-tiny']
    assert models(start=start('backbone.stages.0.x')) == ['mask-rcnn_swin-nano']
    for key in ('backbone.net.x', 'teacher.backbone.net.x'):
        assert models(start=start(key)) == ['mask-rcnn_efficientnet-lite0']

    small = MODELS.build(dict(type='mmgreen.GreenSwinTransformer', arch='small'))
    state = {key: torch.zeros(1).expand(v.shape) for key, v in small.state_dict().items()}
    torch.save(dict(state_dict=state), tmp_path / 'start.pth')
    for machine in (CPU, Machine(24, 8)):
        own = models(machine=machine, start=str(tmp_path / 'start.pth'))
        assert own == ['mask-rcnn_swin-small']
    taught = models(teacher='test_efficientnet')
    assert taught == ['greenmim_swin-nano', 'mask-rcnn_swin-nano']
    five = tmp_path / 'five'
    export('labelme', five, ending='npy')
    assert models(five)[0].endswith('_swin-nano')


def test_imagenet_for_a_swin_is_advised_and_taken_from_the_hub(
    cats_and_a_dog, tmp_path, monkeypatch
):
    gpu = Machine(24, 8)
    made = make_configs(cats_and_a_dog, tmp_path / 'a', gpu)
    address = made.advised_start
    assert f'make-config --start {address}\n' in made.configs[0].read_text()
    asked = []

    def download(repository, file, revision=None):
        asked.append(repository)
        save_file({'layers.0.x': torch.zeros(1)}, tmp_path / file)
        return tmp_path / file

    monkeypatch.setattr('huggingface_hub.hf_hub_download', download)
    made = make_configs(cats_and_a_dog, tmp_path / 'b', gpu, start=address)
    assert set(asked) == {'timm/swin_tiny_patch4_window7_224.ms_in1k'}
    assert load_config(str(made.configs[0])).model.backbone.init_cfg.checkpoint == address
    assert made.advised_start is None
    assert make_configs(cats_and_a_dog, tmp_path / 'c', CPU).advised_start is None
