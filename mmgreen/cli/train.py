"""Train a model: pre-training, detection, or anything else a config describes."""

import os
from collections.abc import Sequence

from mmgreen.errors import one_sentence

from .arguments import add_allow_pickle, add_cfg_options, add_data, add_launcher, command_parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = command_parser(
        __doc__,
        'example: %(prog)s configs/greenmim/greenmim_swin-tiny-w7_8xb256-amp-coslr-100e_in1k'
        '.py --work-dir work_dirs/mine --cfg-options data_root=my_images '
        'train_dataloader.dataset.data_prefix= train_dataloader.batch_size=64',
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument(
        '--amp',
        action='store_true',
        help='train in mixed precision: on a GPU, or on a CPU that computes in bfloat16',
    )
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
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        '--steps',
        type=int,
        metavar='N',
        help='train for so many steps: warm-up, decay, validations and checkpoints go with them',
    )
    length.add_argument(
        '--minutes', type=float, help='train for as many steps as take so long on this machine'
    )
    add_data(parser)
    add_cfg_options(parser)
    add_allow_pickle(parser)
    add_launcher(parser)
    args = parser.parse_args(argv)
    if args.minutes and args.resume:
        parser.error('a run that is resumed has its number of steps: name it by --steps')
    for name in ('steps', 'minutes'):
        if (given := getattr(args, name)) is not None and given <= 0:
            parser.error(f'--{name} {given} must be above 0')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    from mmgreen.apis import open_run, steps_in
    from mmgreen.config import load_config, log_to, resume_from, scale_rate, set_steps, use_amp
    from mmgreen.engine import leaving_at_once

    with leaving_at_once(), one_sentence():
        cfg = load_config(args.config, args.cfg_options, args.work_dir)
        cfg.launcher = args.launcher
        if args.amp:
            use_amp(cfg)
        if args.auto_scale_lr:
            scale_rate(cfg)
        if args.resume:
            resume_from(cfg, args.resume)
        log_to(cfg, args.log_to)
        if args.minutes:
            args.steps = steps_in(cfg, args.minutes, args.data)
        if args.steps:
            set_steps(cfg, args.steps)
        open_run(cfg, 'train', data=args.data, restartable=True).train()
