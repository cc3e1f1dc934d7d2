#!/usr/bin/env python
"""Train a model: pre-training, detection, or anything else a config describes."""

import argparse
import os

from mmgreen.arguments import add_allow_pickle, add_cfg_options, add_data, add_launcher
from mmgreen.errors import UserError, one_sentence


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: %(prog)s configs/greenmim/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k'
        '.py --work-dir work_dirs/mine --cfg-options data_root=my_images '
        'train_dataloader.dataset.data_prefix= train_dataloader.batch_size=64',
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision (needs a GPU)')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the total batch size',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='continue from a checkpoint, by default from the last one in the work dir',
    )
    parser.add_argument(
        '--log-to',
        nargs='+',
        choices=['tensorboard', 'wandb'],
        default=[],
        help='log to TensorBoard or Weights & Biases, too',
    )
    add_data(parser)
    add_cfg_options(parser)
    add_allow_pickle(parser)
    add_launcher(parser)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def main() -> None:
    args = parse_args()
    from mmgreen.config import load_config, log_to, prepare_config
    from mmgreen.engine import build_runner, leaving_at_once

    with leaving_at_once(), one_sentence():
        cfg = load_config(args.config, args.cfg_options, args.work_dir)
        if args.data:
            from mmgreen.recipes import use_folder

            use_folder(cfg, args.data)
        cfg.launcher = args.launcher
        if args.amp:
            cfg.optim_wrapper.type = 'AmpOptimWrapper'
            cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
        if args.auto_scale_lr:
            if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
                raise UserError(f'{args.config} has no auto_scale_lr.base_batch_size to scale from')
            cfg.auto_scale_lr.enable = True
        if args.resume == 'auto':
            cfg.resume = 'auto'
        elif args.resume:
            cfg.resume, cfg.load_from = True, args.resume
        log_to(cfg, args.log_to)
        prepare_config(cfg, 'train')
        build_runner(cfg, restartable=True).train()


if __name__ == '__main__':
    main()
