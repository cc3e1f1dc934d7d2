#!/usr/bin/env python
"""Classify by nearest neighbours in a backbone's features, without training.

The training images are the bank, the validation images are classified; both go
through the validation pipeline of a classification config. Features are what the
config's head would get: the last stage's map, averaged.
"""

import argparse
import os

import torch
from mmengine.config import DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.utils import ProgressBar
from mmpretrain.evaluation import Accuracy
from terminaltables import GithubFlavoredMarkdownTable
from torch import Tensor, nn
from torch.utils.data import DataLoader

import mmgreen  # noqa: F401
from mmgreen.engine import ALLOW_PICKLE, build_model, load_config, prepare_config
from mmgreen.errors import UserError, one_sentence
from mmgreen.evaluation import knn_predict


@torch.no_grad()
def extract(model: nn.Module, loader: DataLoader, device: str) -> tuple[Tensor, Tensor]:
    """Features (N, C) and labels (N,) of all images of a dataloader."""
    features, labels = [], []
    progress = ProgressBar(len(loader))
    for batch in loader:
        data = model.data_preprocessor(batch)
        out = model.extract_feat(data['inputs'].to(device), stage='neck')
        features.append(out[-1].float().cpu())
        labels += [sample.gt_label for sample in data['data_samples']]
        progress.update()
    print()
    return torch.cat(features), torch.cat(labels).cpu()


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""example:
  %(prog)s configs/imagenet/swin-base-w7_8xb256-coslr-100e_in1k.py --cfg-options \\
      model.backbone.init_cfg.checkpoint=work_dirs/pretrain/epoch_100.pth
random features, to compare with: model.backbone.init_cfg=None""",
    )
    parser.add_argument('config', help='classification config')
    parser.add_argument('--k', type=int, nargs='+', default=[10, 20], help='neighbours that vote')
    parser.add_argument('--temperature', type=float, default=0.07)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='change settings'
    )
    parser.add_argument(
        '--allow-pickle',
        action='store_true',
        help='read a checkpoint that holds pickled objects; they can run code, so trust its source',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    if args.allow_pickle:
        os.environ[ALLOW_PICKLE] = '1'
    with one_sentence():
        cfg = load_config(args.config, args.cfg_options)
        if cfg.model.type != 'ImageClassifier' or not cfg.get('val_dataloader'):
            raise UserError(f'{args.config} is no classification config with validation data')
        prepare_config(cfg, 'train')
        init_default_scope(cfg.default_scope)
        torch.manual_seed(0)
        model = build_model(cfg)
        model.init_weights()
        model.eval()
        model.to(args.device)

        cfg.train_dataloader = dict(
            cfg.val_dataloader,
            dataset=dict(
                cfg.train_dataloader.dataset, pipeline=cfg.val_dataloader.dataset.pipeline
            ),
        )
        bank, labels = extract(model, Runner.build_dataloader(cfg.train_dataloader), args.device)
        loader = Runner.build_dataloader(cfg.val_dataloader)
        features, truth = extract(model, loader, args.device)

    num_classes = cfg.model.head.num_classes
    rows = [['k', 'top-1 %', 'top-5 %']]
    for k in args.k:
        scores = knn_predict(features, bank, labels, num_classes, k, args.temperature)
        top = Accuracy.calculate(scores, truth, topk=(1, 5))
        rows.append([str(k), *(f'{value[0].item():.1f}' for value in top)])
    rows.append(['chance', f'{100 / num_classes:.1f}', f'{min(500 / num_classes, 100):.1f}'])
    print(f'{len(bank)} images in the bank, {len(features)} classified')
    print(GithubFlavoredMarkdownTable(rows).table)


if __name__ == '__main__':
    main()
