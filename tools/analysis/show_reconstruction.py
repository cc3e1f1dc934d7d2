#!/usr/bin/env python
"""Draw what a pre-trained model sees, predicts and should have predicted."""

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import load_checkpoint

import mmgreen  # noqa: F401
from mmgreen.engine import load_config
from mmgreen.errors import UserError, one_sentence

GREY = 128


def load_model(config: str, checkpoint: str) -> tuple[Config, torch.nn.Module]:
    """A config and its model with the weights of a checkpoint, all of them."""
    cfg = load_config(config)
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    if cfg.model.type != 'mmgreen.GreenMIM':
        raise UserError(f'{config} describes {cfg.model.type}, not mmgreen.GreenMIM')
    model = MODELS.build(dict(cfg.model, data_preprocessor=cfg.get('data_preprocessor')))
    try:
        load_checkpoint(model, checkpoint, strict=True)
    except RuntimeError as error:
        raise UserError(
            f'checkpoint {checkpoint} does not fit the model of {config}: '
            f'{str(error).splitlines()[1].strip()}'
        ) from error
    model.eval()
    return cfg, model


def reconstruct(model: torch.nn.Module, paths: list[Path], size: int) -> np.ndarray:
    """A picture with a row for each image: masked, predicted, original.

    Args:
        model: GreenMIM.
        paths: Image files.
        size: Side in pixels to which images are resized.

    Returns:
        (rows, columns, 3) uint8, BGR.
    """
    load = LoadImageFromFile(imdecode_backend='pillow')
    images = [cv2.resize(load(dict(img_path=str(p)))['img'], (size, size)) for p in paths]
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    data = model.data_preprocessor(dict(inputs=batch, data_samples=None))
    out = model.reconstruct(data['inputs'])

    preprocessor = model.data_preprocessor
    predicted = out['image'] * preprocessor.std + preprocessor.mean
    predicted = predicted.clamp(0, 255).permute(0, 2, 3, 1).byte().numpy()[..., ::-1]
    unit = model.backbone.stride
    hidden = out['mask'].repeat_interleave(unit, 1).repeat_interleave(unit, 2).numpy()
    rows = []
    for image, mask, prediction in zip(images, hidden, predicted, strict=True):
        masked = np.where(mask[..., None], GREY, image)
        gap = np.full((size, 4, 3), 255)
        rows.append(np.concatenate([masked, gap, prediction, gap, image], axis=1))
        rows.append(np.full((4, rows[0].shape[1], 3), 255))
    return np.concatenate(rows[:-1]).astype(np.uint8)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: %(prog)s configs/quickstart/greenmim_swin-nano_demo.py '
        'work_dirs/quickstart/pretrain/epoch_15.pth data/demo/val/00000*.jpg --out grid.png',
    )
    parser.add_argument('config', help='pre-training config')
    parser.add_argument('checkpoint', help='its checkpoint')
    parser.add_argument('images', nargs='+', type=Path, help='image files')
    parser.add_argument('--out', type=Path, default=Path('reconstruction.png'))
    parser.add_argument('--size', type=int, help="side in pixels; by default the backbone's")
    parser.add_argument('--seed', type=int, default=0, help='decides the masks')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    torch.manual_seed(args.seed)
    with one_sentence():
        missing = [str(path) for path in args.images if not path.is_file()]
        if missing:
            raise UserError(f'image {missing[0]} does not exist')
        cfg, model = load_model(args.config, args.checkpoint)
        size = args.size or cfg.model.backbone.get('img_size', 224)
        picture = reconstruct(model, args.images, size)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(args.out), picture)
    print(f'{args.out}: masked, predicted, original')


if __name__ == '__main__':
    main()
