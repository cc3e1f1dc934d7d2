"""One training step of the smallest member of every family, on photographs.

The steps start from Swin-B under the names of different projects, by the one option
that all of them have.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from helpers import ROOT, run_tool
from PIL import Image
from pycocotools.coco import COCO

from mmgreen.checkpoints.converting import convert, revert
from mmgreen.engine.optimizers import computes_in_bfloat16


@pytest.fixture(scope='module')
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    """Swin-B by timm's names, and with windows of 6 as SimMIM's official one, in 16 bits."""
    folder = tmp_path_factory.mktemp('swin-base')
    depths = (2, 2, 2, 2)
    model = timm.create_model('swin_base_patch4_window7_224', num_classes=10, depths=depths).half()
    torch.save(model.state_dict(), folder / 'timm.pth')

    weights = convert(model.state_dict()).weights
    simmim, _ = revert(weights, 'official', 'encoder.', 'SimMIM')
    for key, table in simmim.items():
        if key.endswith('relative_position_bias_table'):
            simmim[key] = table[: 11 * 11]
    simmim['encoder.mask_token'] = torch.zeros(1, 1, 128)
    simmim['decoder.0.weight'] = torch.zeros(4, 1024, 1, 1)
    torch.save({'model': simmim}, folder / 'simmim.pth')
    return dict(timm=folder / 'timm.pth', simmim=folder / 'simmim.pth')


@pytest.fixture(scope='module')
def ade(coco_tiny, tmp_path_factory) -> Path:
    """ADE20K's layout, with the things of COCO as classes."""
    root = tmp_path_factory.mktemp('ade')
    coco = COCO(str(coco_tiny / 'annotations/instances_train2017.json'))
    classes = {number: i for i, number in enumerate(sorted(coco.cats), 1)}
    for kind in ('images', 'annotations'):
        (root / kind / 'training').mkdir(parents=True)
        (root / kind / 'validation').mkdir()
    for image in list(coco.imgs.values())[:2]:
        labels = np.zeros((image['height'], image['width']), np.uint8)
        for annotation in coco.imgToAnns[image['id']]:
            labels[coco.annToMask(annotation) > 0] = classes[annotation['category_id']]
        name = Path(image['file_name'])
        (root / 'images/training' / name).symlink_to(coco_tiny / 'train2017' / name)
        Image.fromarray(labels).save(root / 'annotations/training' / name.with_suffix('.png'))
    return root


#: Swin-B with two blocks in each stage.
SHALLOW = """
model = dict(
    backbone=dict(arch=dict(_delete_=True, embed_dims=128, depths=[2, 2, 2, 2], num_heads=[4, 8, 16, 32]))
)
"""


def step(tmp_path, config, data_root, *options, extra=''):
    """Run one training step of a config without validation; the losses logged."""
    if 'swin-base' in config:
        extra += SHALLOW
    (tmp_path / 'step.py').write_text(
        f"""
_base_ = {str(ROOT / config)!r}
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(indices=2)
)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=100, save_last=False))
custom_hooks = []
{extra}
"""
    )
    by_epoch = [] if 'upernet' in config else ['train_cfg.max_epochs=1']
    done = run_tool(
        *('tools/train.py', tmp_path / 'step.py', '--work-dir', tmp_path / 'work'),
        *('--cfg-options', f'data_root={data_root}/', *by_epoch, *options),
    )
    assert done.returncode == 0, done.stderr
    (log,) = (tmp_path / 'work').glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    (loss,) = [row['loss'] for row in rows if 'loss' in row]
    assert np.isfinite(loss)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    'config',
    [
        'greenmim/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k.py',
        'simmim/simmim_swin-base-w6_8xb256-amp-coslr-100e_in1k-192px.py',
        'mae/mae_vit-base-p16_8xb512-amp-coslr-800e_in1k.py',
    ],
)
def test_pre_training(tmp_path, imagenette, config):
    said = step(tmp_path, f'configs/{config}', imagenette)
    precision = (
        'mixed precision is of bfloat16'
        if computes_in_bfloat16()
        else 'float32 instead of mixed precision'
    )
    assert precision in said or torch.cuda.is_available()


def test_fine_tuning_from_timm(tmp_path, imagenette, checkpoints):
    said = step(
        tmp_path,
        'configs/imagenet/green-swin-base-w7_8xb256-coslr-100e_in1k.py',
        imagenette,
        f'model.backbone.init_cfg.checkpoint={checkpoints["timm"]}',
    )
    assert '(Swin by timm names)' in said
    assert '10 categories, from your data: model.head' in said


def test_linear_probing_from_simmim_leaves_the_backbone_alone(tmp_path, imagenette, checkpoints):
    said = step(
        tmp_path,
        'configs/imagenet/green-swin-base-w7_8xb2048-linear-coslr-90e_in1k.py',
        imagenette,
        f'model.backbone.init_cfg.checkpoint={checkpoints["simmim"]}',
        'default_hooks.checkpoint.interval=1',
    )
    assert '(SimMIM by official names)' in said
    assert 'tables resized (bicubic) from window 6 to 7 in stages 0, 1, 2, 3' in said
    before = torch.load(checkpoints['simmim'], weights_only=True)['model']
    after = torch.load(tmp_path / 'work/epoch_1.pth', weights_only=True)['state_dict']
    for theirs, ours in (
        ('patch_embed.proj.weight', 'patch_embed.projection.weight'),
        ('layers.3.blocks.1.mlp.fc2.weight', 'stages.3.blocks.1.ffn.layers.1.weight'),
        ('norm.weight', 'norm3.weight'),
    ):
        assert torch.equal(before[f'encoder.{theirs}'].float(), after[f'backbone.{ours}'])
    assert after['head.fc.weight'].abs().sum() > 0


SMALL = """
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            dict(type='Resize', scale=(320, 224), keep_ratio=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackDetInputs'),
        ],
        indices=2,
    ),
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
)
"""


# What takes a CPU longest are four convolutions of 512 regions an image, three times.
FEW_REGIONS = [f'model.train_cfg.rcnn.{i}.sampler.num=32' for i in range(3)]


def test_cascade_from_simmim(tmp_path, coco_tiny, checkpoints):
    """Cascade Mask R-CNN with Swin-B: twenty seconds for a step."""
    (config,) = (ROOT / 'configs/cascade_mask_rcnn').glob('*base*3x*.py')
    said = step(
        tmp_path,
        f'configs/cascade_mask_rcnn/{config.name}',
        coco_tiny,
        f'model.backbone.init_cfg.checkpoint={checkpoints["simmim"]}',
        'optim_wrapper.paramwise_cfg.layer_decay_rate=0.8',
        *FEW_REGIONS,
        extra=SMALL,
    )
    assert 'tables resized (bicubic) from window 6 to 7 in stages 0, 1, 2, 3' in said
    assert re.search(r's2\.loss_mask: \d', said)


def test_upernet_from_timm(tmp_path, ade, checkpoints):
    pytest.importorskip('mmseg', reason='mmsegmentation is an optional extra')
    (config,) = (ROOT / 'configs/upernet').glob('*.py')
    said = step(
        tmp_path,
        f'configs/upernet/{config.name}',
        ade,
        f'model.backbone.init_cfg.checkpoint={checkpoints["timm"]}',
        *('train_cfg.max_iters=1', 'model.data_preprocessor.size="(128,128)"'),
        *('train_dataloader.dataset.pipeline.3.crop_size="(128,128)"',),
    )
    assert '(Swin by timm names)' in said
    assert re.search(r'aux\.loss_ce: \d', said)


def test_mixed_annotations_train(tmp_path, coco_tiny):
    """Polygons, run lengths both ways and crowd regions in one image, bad boxes left out."""
    root = tmp_path / 'data'
    root.mkdir()
    (root / 'train2017').symlink_to(coco_tiny / 'train2017')
    coco = COCO(str(coco_tiny / 'annotations/instances_train2017.json'))
    number = max(coco.imgToAnns, key=lambda i: sum(not a['iscrowd'] for a in coco.imgToAnns[i]))
    (image,) = coco.loadImgs(number)
    annotations = [dict(a) for a in coco.imgToAnns[number] if not a['iscrowd']]
    assert len(annotations) >= 6
    rle = coco.annToRLE(annotations[1])
    annotations[1]['segmentation'] = dict(rle, counts=rle['counts'].decode())
    mask = coco.annToMask(annotations[2]).ravel(order='F')
    edges = np.flatnonzero(np.diff(mask, prepend=0))
    runs = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
    annotations[2]['segmentation'] = dict(size=list(rle['size']), counts=runs)
    annotations[3]['iscrowd'] = 1
    annotations[4]['bbox'] = [10, 10, 0, 0]
    annotations[5]['bbox'] = [image['width'] + 5, 10, 20, 20]
    content = dict(images=[image], annotations=annotations, categories=list(coco.cats.values()))
    (root / 'annotations').mkdir()
    (root / 'annotations/instances_train2017.json').write_text(json.dumps(content))
    said = step(
        tmp_path,
        'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py',
        root,
        *('train_dataloader.dataset.ann_file=annotations/instances_train2017.json',),
        *('train_dataloader.dataset.data_prefix.img=train2017', 'model.backbone.init_cfg=None'),
        'train_dataloader.batch_size=1',
    )
    assert '1 without area' in said
    assert '1 outside the image' in said
    assert re.search(r'loss_mask: \d', said)
