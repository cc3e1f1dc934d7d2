"""Programs for export find what mmdet finds."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import ROOT
from mmdet.models.roi_heads.mask_heads.fcn_mask_head import _do_paste_mask
from mmdet.structures import DetDataSample
from mmdet_families import with_green_swin
from torch import nn

from mmgreen.config import load_config
from mmgreen.deploy.detectors import Batch
from mmgreen.deploy.onnx_file import _alike, check_padding, export_onnx, exportable
from mmgreen.deploy.session import as_batch
from mmgreen.engine import build_model, own_scope
from mmgreen.errors import UserError
from mmgreen.registry import MODELS

NANO = dict(embed_dims=16, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2])


def detector(config, monkeypatch, **options):
    """A detector of mmdet's configs with a nano GreenSwin, of drawn weights."""
    monkeypatch.setattr('mmdet_families._CHANNELS', (16, 32, 64, 128))
    cfg = load_config(f'mmdet::{config}', {'custom_imports': dict(imports=['mmgreen'])} | options)
    parts = with_green_swin(cfg)
    parts['backbone'].update(arch=NANO, window_size=4)
    with own_scope(cfg):
        model = MODELS.build(parts)
    return drawn(model), cfg


def drawn(model):
    """Weights by which something is found everywhere."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    return model.eval()


def as_rows(boxes, scores, labels):
    """(N, 6), of which two that differ much are different detections."""
    return torch.cat([boxes, 100 * scores[:, None], 1000.0 * labels[:, None]], 1)


# Fewer queries and layers than mmdet's: an image of a test has few places.
DINO = {
    'model.num_queries': 100,
    'model.encoder.num_layers': 2,
    'model.decoder.num_layers': 2,
    'model.data_preprocessor.pad_size_divisor': 32,
}
MASK2FORMER = {
    'model.panoptic_head.pixel_decoder.encoder.num_layers': 2,
    'model.panoptic_head.transformer_decoder.num_layers': 3,
}


@pytest.mark.parametrize(
    'config',
    [
        'dino/dino-4scale_r50_8xb2-12e_coco.py',
        'mask2former/mask2former_r50_8xb2-lsj-50e_coco.py',
        'retinanet/retinanet_r50_fpn_1x_coco.py',
        'atss/atss_r50_fpn_1x_coco.py',
        'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py',
        'rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
        'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py',
        'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
        'cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py',
    ],
)
def test_finds_what_mmdet_finds(config, monkeypatch):
    two_stages = {'model.test_cfg.rcnn.score_thr': 0.0, 'model.test_cfg.rpn.max_per_img': 150}
    special = dict(
        dino=DINO, mask2former=MASK2FORMER, mask_rcnn=two_stages, cascade_rcnn=two_stages
    )
    options = special.get(config.partition('/')[0], {'model.test_cfg.score_thr': 0.0})
    model, cfg = detector(config, monkeypatch, **options)
    rng = np.random.default_rng(0)
    # RTMDet's images are padded before: its sides are multiples of 32.
    image = rng.integers(0, 255, (128, 160, 3) if 'rtmdet' in config else (90, 133, 3), np.uint8)
    shape = image.shape[:2]
    sample = DetDataSample(metainfo=dict(img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0)))
    bgr = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)
    program = exportable(copy.deepcopy(model))
    with torch.no_grad(), own_scope(cfg):
        (wanted,) = model.test_step(dict(inputs=[bgr], data_samples=[sample]))
        found = program(torch.from_numpy(image))
    wanted = wanted.pred_instances
    assert len(wanted) >= 100
    assert len(found[0]) == len(wanted)
    a, b = as_rows(wanted.bboxes, wanted.scores, wanted.labels), as_rows(*found[:3])
    distance, place = (a[:, None] - b).abs().amax(-1).min(1)
    assert distance.max() < 0.05
    if program.mask_stride:
        logits = F.interpolate(found[3][None], scale_factor=program.mask_stride, mode='bilinear')[0]
        drawn = logits[place, : shape[0], : shape[1]] > program.mask_threshold
        assert 0.01 < drawn.float().mean() < 0.99
    elif 'masks' in wanted:
        boxes, masks = found[0][place], found[3][place]
        pasted, _ = _do_paste_mask(masks[:, None], boxes, *shape, skip_empty=False)
        drawn = pasted >= program.mask_threshold
    if 'masks' in wanted:
        assert (drawn == wanted.masks).float().mean() > 0.999


@pytest.mark.parametrize(
    'config',
    ['rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py', 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'],
)
def test_a_batch_finds_what_its_images_do(config, monkeypatch):
    """Of images that are padded to one size, one of them black: each as it does when padded so alone."""
    few = {} if 'rtmdet' in config else {'model.test_cfg.rpn.max_per_img': 20}
    model, _ = detector(config, monkeypatch, **few)
    program = exportable(model)
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 255, (*size, 3), np.uint8) for size in ((96, 128), (90, 97), (70, 128))
    ]
    images[2][:] = 0
    given = {name: torch.from_numpy(x) for name, x in as_batch(images).items()}
    test_cfg = (model.bbox_head if 'rtmdet' in config else model.roi_head).test_cfg
    with torch.no_grad():
        test_cfg.score_thr = 0.0
        _, scores, *_ = Batch(program)(**given)
        test_cfg.score_thr = float(scores.median())  # so that each finds another number
        *together, counts = Batch(program)(**given)
        alone = [program(torch.from_numpy(image)) for image in images]
    counts = counts.tolist()
    assert counts == [len(boxes) for boxes, *_ in alone]
    assert len(set(counts)) == 3
    for outs, wanted in zip(together, zip(*alone, strict=True), strict=True):
        for a, b in zip(outs.split(counts), wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize(
    ('config', 'named'),
    [
        ('point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py', 'PointRendRoIHead'),
        ('yolox/yolox_tiny_8xb8-300e_coco.py', 'YOLOXHead'),
    ],
)
def test_what_cannot_be_exported_is_named(config, named, monkeypatch):
    model, _ = detector(config, monkeypatch)
    with pytest.raises(UserError, match=f'{named} cannot be exported: exported are Faster'):
        exportable(model)


def test_other_suppression_and_padding_are_refused(monkeypatch):
    config = 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
    model, _ = detector(config, monkeypatch, **{'model.test_cfg.rcnn.nms.type': 'soft_nms'})
    with pytest.raises(UserError, match='test_cfg asks for soft_nms, which ONNX has no operator'):
        exportable(model)
    model.backbone.stages[0].blocks[0].attn.pad_small_map = False
    with pytest.raises(UserError, match='set model.backbone.pad_small_map=True'):
        exportable(model)
    seesaw = 'seesaw_loss/mask-rcnn_r50_fpn_seesaw-loss_random-ms-2x_lvis-v1.py'
    with pytest.raises(UserError, match='SeesawLoss cannot be exported'):
        exportable(detector(seesaw, monkeypatch)[0])
    check_padding(32, [])
    check_padding(1, [dict(op='pad', size=[640, 640])])
    for divisor, steps in ((128, []), (1, []), (1, [dict(op='pad', size=[600, 600])])):
        with pytest.raises(UserError, match=f'pad_size_divisor is {divisor}, .*: set it to 32'):
            check_padding(divisor, steps)


def test_what_onnx_has_no_word_for_is_one_sentence(monkeypatch, tmp_path):
    model, cfg = detector('retinanet/retinanet_r50_fpn_1x_coco.py', monkeypatch)
    monkeypatch.setattr(model.backbone, 'forward', lambda x: print(x.sum().item()))
    with pytest.raises(UserError, match='ONNX cannot express a part of the detector: '):
        export_onnx(model, cfg.test_dataloader.dataset.pipeline, ['bolt'], tmp_path / 'a.onnx')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('stages', [1, 2])
def test_layers_of_sixteen_bits_find_nearly_the_same(stages, monkeypatch):
    """And corners, scores and suppression have 32: of thousands of pixels, too."""
    if stages == 1:
        model, _ = detector('rtmdet/rtmdet_tiny_8xb32-300e_coco.py', monkeypatch)
    else:  # with heads that are narrow enough for a CPU, which computes 16 bits slowly
        cfg = load_config(ROOT / 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py')
        cfg.model.test_cfg.rcnn.score_thr = 0.0
        model = drawn(build_model(cfg))
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (32, 2400, 3), np.uint8))
    with torch.no_grad():
        wanted = exportable(copy.deepcopy(model))(image)
        found = exportable(model, half=True)(image)
    assert next(model.backbone.parameters()).dtype == torch.float16
    assert {x.dtype for x in found} == {torch.float32, torch.int64}
    some, others = ([x.numpy() for x in each] for each in (wanted, found))
    assert wanted[0].max() > 2048  # from where half precision has every other pixel
    assert len(wanted[0]) > 20
    assert _alike(some, others)
    moved = [others[0] + 40, *others[1:]]
    assert not _alike(some, moved)
