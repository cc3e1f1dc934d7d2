"""Pre-training and detection on photographs, through the configs for ImageNet and COCO."""

import json
import re

import torch
from helpers import run_tool

PRETRAIN = 'configs/greenmim/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k.py'
DETECT = 'configs/mask_rcnn/mask-rcnn_green-swin-tiny-w7_fpn_1x_coco.py'


def workers(*splits):
    return [
        option
        for split in splits
        for option in (
            f'{split}_dataloader.num_workers=0',
            f'{split}_dataloader.persistent_workers=False',
        )
    ]


def test_swin_tiny_from_photographs_to_a_coco_table(imagenette, coco_tiny, tmp_path):
    """A few steps of everything; what 200 iterations give stands in docs/first_run.md.

    Swin-T at the size of photographs takes half a minute.
    """
    done = run_tool(
        *('tools/train.py', PRETRAIN, '--work-dir', tmp_path / 'pretrain', '--cfg-options'),
        *(f'data_root={imagenette}/', 'train_dataloader.batch_size=4', *workers('train')),
        *('train_dataloader.dataset.indices=32', 'train_cfg.max_epochs=1'),
        *('param_scheduler=[]', 'custom_hooks=[]', 'optim_wrapper.optimizer.lr=1e-3'),
        'default_hooks.logger.interval=1',
    )
    assert done.returncode == 0, done.stderr
    (log,) = (tmp_path / 'pretrain').glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [row['loss'] for row in rows if 'loss' in row]
    assert len(losses) == 8
    assert losses[-1] < losses[0]

    backbone = tmp_path / 'pretrain/epoch_1.pth'
    small = '"(320,224)"'
    done = run_tool(
        *('tools/train.py', DETECT, '--work-dir', tmp_path / 'detect', '--cfg-options'),
        *(f'data_root={coco_tiny}/', f'model.backbone.init_cfg.checkpoint={backbone}'),
        *(f'train_dataloader.dataset.pipeline.2.scale={small}', *workers('train')),
        *('train_dataloader.dataset.indices=4', 'train_cfg.max_epochs=1', 'val_cfg=None'),
        *('val_dataloader=None', 'val_evaluator=None', 'model.train_cfg.rcnn.sampler.num=64'),
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r'loaded \d+ of \d+ backbone tensors', done.stdout + done.stderr)

    done = run_tool(
        *(
            'tools/test.py',
            DETECT,
            tmp_path / 'detect/epoch_1.pth',
            '--work-dir',
            tmp_path / 'test',
        ),
        *('--cfg-options', f'data_root={coco_tiny}/', *workers('test')),
        f'test_dataloader.dataset.pipeline.1.scale={small}',
        'test_dataloader.dataset.indices=4',
    )
    assert done.returncode == 0, done.stderr
    for part in ('bbox', 'segm'):
        assert f'coco/{part}_mAP_50' in done.stdout + done.stderr

    # The backbone that was tested began as the one that was pre-trained.
    before = torch.load(backbone, weights_only=True)['state_dict']
    after = torch.load(tmp_path / 'detect/epoch_1.pth', weights_only=True)['state_dict']
    name = 'backbone.stages.2.blocks.3.attn.w_msa.qkv.weight'
    assert (before[name] - after[name]).abs().max() < 0.01
