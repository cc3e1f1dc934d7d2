#!/usr/bin/env python
"""Count the floating-point operations and the parameters of a config's model.

Operations are those of a forward pass over one image, a multiplication and an
addition counted as two: for pre-training the loss on what the pipeline gives, for
classification the logits, for detection (1280x800 pixels, 1,000 proposals) and
segmentation (512x512) everything up to the heads' outputs. Operators that are not
matrix products are left out, as usual.
"""

import argparse
from argparse import Namespace

import torch
from benchmark import make_batch
from mmpretrain.models import BaseSelfSupervisor, ImageClassifier
from terminaltables import GithubFlavoredMarkdownTable
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import mmgreen  # noqa: F401
from mmgreen.engine import build_model, load_config
from mmgreen.errors import UserError, one_sentence

#: Height and width by convention of the libraries.
SIZES = {'mmdet': (800, 1280), 'mmseg': (512, 512)}


def complexity(config: str) -> tuple[tuple[int, int], int, int]:
    """Image size (height, width), operations of a forward pass, parameters.

    Args:
        config: Config file, or ``package::path`` of an installed library.

    Raises:
        UserError: If it is of no kind that can be counted.
    """
    cfg = load_config(config)
    model = build_model(cfg)
    model.eval()
    parameters = sum(p.numel() for p in model.parameters())
    if isinstance(model, BaseSelfSupervisor):
        data = make_batch(cfg, model, Namespace(batch_size=1))
        inputs = data['inputs'][0] if isinstance(data['inputs'], list) else data['inputs']
        size = tuple(inputs.shape[-2:])

        def forward() -> None:
            model.loss(data['inputs'], data['data_samples'])
    elif isinstance(model, ImageClassifier):
        crop = next(t for t in cfg.val_dataloader.dataset.pipeline if 'crop_size' in t).crop_size
        size = (crop, crop)

        def forward() -> None:
            model(torch.randn(1, 3, *size), mode='tensor')
    elif cfg.default_scope in SIZES:
        size = SIZES[cfg.default_scope]

        def forward() -> None:
            model(torch.randn(1, 3, *size), samples_of(cfg.default_scope, size), mode='tensor')
    else:
        raise UserError(f'{config} describes a {type(model).__name__}, which cannot be counted')
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        forward()
    return size, counter.get_total_flops(), parameters


def samples_of(scope: str, size: tuple[int, int]) -> list | None:
    """What a detector wants to know of an image."""
    if scope != 'mmdet':
        return None
    from mmdet.structures import DetDataSample

    meta = dict(img_shape=size, ori_shape=size, pad_shape=size, batch_input_shape=size)
    return [DetDataSample(metainfo=dict(meta, scale_factor=(1.0, 1.0)))]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='example: %(prog)s configs/greenmim/*.py',
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='file, or package::path')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    rows = [['config', 'height x width', 'FLOPs', 'parameters']]
    with one_sentence():
        for config in args.configs:
            (height, width), flops, parameters = complexity(config)
            name = config.rsplit('/', 1)[-1].removesuffix('.py')
            rows.append([name, f'{height}x{width}', str(flops), str(parameters)])
            print(f'{name}: done', flush=True)
    print(GithubFlavoredMarkdownTable(rows).table)


if __name__ == '__main__':
    main()
