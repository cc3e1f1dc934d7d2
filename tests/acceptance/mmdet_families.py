#!/usr/bin/env python
"""Try every detector of mmdet's configs with a GreenSwin backbone.

Each is built, trained for a step on two made images and run on them; the table says what became of
it. Nothing is downloaded, and weights are random. All take half an hour on one core.
"""

import argparse
import copy
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.structures import InstanceData
from rich.progress import track
from terminaltables import GithubFlavoredMarkdownTable

from mmgreen.config import load_config
from mmgreen.engine import lay_out, own_scope
from mmgreen.errors import UserError, one_sentence
from mmgreen.registry import MODELS

# The channels of Swin-T's stages.
_CHANNELS = (96, 192, 384, 768)
# Its stages in the place of backbones that do not name theirs as ResNet does.
_LEVELS = dict(
    CSPDarknet=(1, 2, 3),
    CSPNeXt=(1, 2, 3),
    Darknet=(1, 2, 3),
    HourglassNet=(0, 1, 2, 3),
    SSDVGG=(1, 2),
)
# Large enough for 900 proposals, and for the last level of SSD.
_SIZE = (3, 320, 320)

#: Folders of mmdet's configs that are no detector of their own, by why.
NOT_TRIED = {
    'a backbone, in whose place GreenSwin is': (
        'convnext', 'dcn', 'dcnv2', 'detectors', 'efficientnet', 'empirical_attention', 'gcnet',
        'gn', 'gn+ws', 'hrnet', 'pvt', 'regnet', 'res2net', 'resnest', 'resnet_strikes_back',
        'scratch', 'selfsup_pretrain', 'swin', 'timm_example', 'tridentnet',
    ),
    'settings or data for the detectors below': (
        '_base_', 'albu_example', 'cityscapes', 'common', 'deepfashion', 'dsdl', 'instaboost',
        'legacy_1.x', 'lvis', 'misc', 'objects365', 'openimages', 'pascal_voc', 'seesaw_loss',
        'simple_copy_paste', 'strong_baselines', 'v3det', 'wider_face',
    ),
    'video, not images': (
        'bytetrack', 'deepsort', 'mask2former_vis', 'masktrack_rcnn', 'ocsort', 'qdtrack', 'reid',
        'sort', 'strongsort',
    ),
    'reads text, by a language model that has to be downloaded': (
        'glip', 'grounding_dino', 'mm_grounding_dino',
    ),
    'learns from a trained detector': ('lad', 'ld', 'soft_teacher'),
    'lanes, not objects': ('clrnet',),
}  # fmt: skip

#: The config of a family where the first one with a ResNet-50 is not it.
_CONFIGS = {
    'carafe': 'mask-rcnn_r50_fpn-carafe_1x_coco.py',
    'cascade_rpn': 'cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py',
    'crowddet': 'crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman.py',
    'faster_rcnn': 'faster-rcnn_r50_fpn_1x_coco.py',
    'guided_anchoring': 'ga-faster-rcnn_r50-caffe_fpn_1x_coco.py',
    'htc': 'htc_r50_fpn_1x_coco.py',
    'libra_rcnn': 'libra-faster-rcnn_r50_fpn_1x_coco.py',
    'mask_rcnn': 'mask-rcnn_r50_fpn_1x_coco.py',
    'rpn': 'rpn_r50_fpn_1x_coco.py',
    'rtmdet': 'rtmdet-ins_tiny_8xb32-300e_coco.py',
    'solov2': 'solov2_r50_fpn_1x_coco.py',
    'vfnet': 'vfnet_r50-mdconv-c3-c5_fpn_ms-2x_coco.py',
    'yolox': 'yolox_tiny_8xb8-300e_coco.py',
}
# What a family's data have that others' do not.
_CLASSES = dict(crowddet=1)
# mmcv's masked convolution, by which they predict, takes one image.
_ONE_AT_A_TIME = ('guided_anchoring',)
_SEMANTIC_STRIDES = dict(htc=8, mask2former=1, maskformer=1, panoptic_fpn=1, scnet=8)


@dataclass(frozen=True)
class Outcome:
    """What became of a family.

    Attributes:
        family: Folder of mmdet's configs.
        config: File in it.
        steps: Of 'builds', 'trains', 'predicts' those that went well, in this order.
        why: What ended it, or an empty string.
    """

    family: str
    config: str
    steps: tuple[str, ...]
    why: str = ''


def family_names() -> list[str]:
    """Folders of mmdet's configs that hold a detector of their own."""
    left_out = {name for names in NOT_TRIED.values() for name in names}
    return sorted(p.name for p in _configs().iterdir() if p.is_dir() and p.name not in left_out)


def try_families(names: list[str]) -> Iterator[Outcome]:
    """Build each, train it for a step on two made images, and let it predict.

    Args:
        names: Some of :func:`family_names`.

    Yields:
        What became of each.

    Raises:
        UserError: If there is no such family.
    """
    known = family_names()
    for name in names:
        if name not in known:
            raise UserError(f'{name} is not a family: choose from {", ".join(known)}')
    for name in names:
        logging.disable(logging.WARNING)  # each weight says how it was drawn
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                row = _try(name)
        finally:
            logging.disable(logging.NOTSET)
        yield row


def families_table(tried: list[Outcome]) -> str:
    """A line for each family, in Markdown."""
    lines = [['family', 'config', 'builds', 'trains a step', 'predicts', 'why not']]
    for row in tried:
        marks = ['yes' if step in row.steps else 'no' for step in _STEPS]
        lines.append([row.family, row.config.removesuffix('.py'), *marks, row.why])
    return GithubFlavoredMarkdownTable(lines).table


def with_green_swin(cfg: Config) -> dict:
    """The model of a config with a GreenSwin-T of random weights as its backbone.

    Its stages are those of the ResNet before it, and whatever takes their channels takes the new
    ones. A YOLO's or SSD's backbone is replaced by the stages of the same strides, an hourglass by
    all stages, joined at stride 4.

    Args:
        cfg: A detector's config.
    """
    model: dict = copy.deepcopy(cfg.model)
    model.pop('pretrained', None)
    old = model['backbone']
    levels = _LEVELS.get(old['type']) or tuple(old['out_indices'])
    channels = [_CHANNELS[level] for level in levels]
    model['backbone'] = dict(
        type='mmgreen.GreenSwinTransformer', arch='tiny', pad_small_map=True, out_indices=levels
    )
    if old['type'] == 'HourglassNet':
        model['neck'] = dict(type='HRFPN', in_channels=channels, out_channels=256, num_outs=1)
        model['bbox_head']['num_feat_levels'] = 1
    elif old['type'] == 'SSDVGG':
        later = model['neck']['out_channels'][len(levels) :]
        model['neck'].update(in_channels=channels, out_channels=[*channels, *later])
        model['bbox_head']['in_channels'] = [*channels, *later]
    else:
        neck = model.get('neck') or {}
        first = neck[0] if isinstance(neck, list) else neck
        before = first.get('in_channels')
        if isinstance(before, list):
            first['in_channels'] = channels if before == sorted(before) else channels[::-1]
        elif before:
            first['in_channels'] = channels[-1]
        _replace(model, [256 << level for level in levels], channels)
    return model


def _replace(node: Any, old: list[int], new: list[int]) -> None:
    """Put one list in the place of another, wherever it is."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if value == old:
            node[key] = list(new)
        elif isinstance(value, dict | list):
            _replace(value, old, new)


_STEPS = ('builds', 'trains', 'predicts')


def _configs() -> Path:
    import mmdet

    return Path(mmdet.__file__).parent / '.mim/configs'


def _config_of(family: str) -> str:
    files = sorted(p.name for p in (_configs() / family).glob('*.py'))
    return _CONFIGS.get(family) or next((f for f in files if 'r50' in f), files[0])


def _try(family: str) -> Outcome:
    name, done = _config_of(family), []
    try:
        cfg = load_config(f'mmdet::{family}/{name}', {'custom_imports': dict(imports=['mmgreen'])})
        with own_scope(cfg):
            torch.manual_seed(0)
            model = MODELS.build(with_green_swin(cfg))
            model.init_weights()
            lay_out(model, 'cpu')
            done.append('builds')
            _train(model, family)
            done.append('trains')
            _predict(model, family)
            done.append('predicts')
    except Exception as error:
        first = (str(error).strip().splitlines() or [''])[0]
        return Outcome(family, name, tuple(done), f'{type(error).__name__}: {first}')
    return Outcome(family, name, tuple(done))


def _data(family: str, images: int = 2) -> dict[str, Any]:
    from mmdet.testing import demo_mm_inputs

    data: dict[str, Any] = demo_mm_inputs(
        images,
        [_SIZE] * images,
        num_items=[3, 2][:images],
        num_classes=10,
        with_mask=True,
        with_semantic=family in _SEMANTIC_STRIDES,
        sem_seg_output_strides=_SEMANTIC_STRIDES.get(family, 1),
        use_box_type=True,
    )
    for sample in data['data_samples']:
        instances = sample.gt_instances
        instances.labels %= _CLASSES.get(family, 10)
        if family == 'fast_rcnn':  # reads proposals from a file
            boxes = instances.bboxes.tensor.clone()
            sample.proposals = InstanceData(bboxes=boxes, scores=torch.ones(len(boxes)))
    for name in ('epoch', 'iter'):  # which some losses ask for
        MessageHub.get_current_instance().update_info(name, 0)
    return data


def _train(model: Any, family: str) -> None:
    model.train()
    data = model.data_preprocessor(_data(family), True)
    total, _ = model.parse_losses(model(**data, mode='loss'))
    total.backward()
    if not torch.isfinite(total):
        raise ArithmeticError('the loss is not finite')
    grads = [p.grad for p in model.backbone.parameters() if p.grad is not None]
    if not any(grad.abs().sum() > 0 for grad in grads):
        raise ArithmeticError('no gradient reaches the backbone')


@torch.no_grad()
def _predict(model: Any, family: str) -> None:
    model.eval()
    images = 1 if family in _ONE_AT_A_TIME else 2
    data = model.data_preprocessor(_data(family, images), False)
    samples = model(**data, mode='predict')
    if len(samples) != images:
        raise ArithmeticError('not a prediction for each image')


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: %(prog)s retinanet dino',
    )
    parser.add_argument('families', nargs='*', help='folders of mmdet/configs; by default all')
    args = parser.parse_args()
    with one_sentence():
        names = args.families or family_names()
        outcomes = []
        for row in track(try_families(names), 'Families', total=len(names)):
            outcomes.append(row)
            print(f'{row.family}: {row.why or "runs"}', flush=True)
    print(families_table(outcomes))


if __name__ == '__main__':
    main()
