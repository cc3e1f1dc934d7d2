#!/usr/bin/env python
"""Evaluate a checkpoint: prints the COCO tables of a detector, and writes a report."""

import argparse
import os
import os.path as osp

from mmengine.config import DictAction
from mmengine.evaluator import DumpResults

import mmgreen  # noqa: F401
from mmgreen.apis.testing import run_test
from mmgreen.engine import (
    ALLOW_PICKLE,
    build_runner,
    leaving_at_once,
    load_config,
    prepare_config,
)
from mmgreen.errors import UserError, one_sentence


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: %(prog)s configs/mask_rcnn/mask-rcnn_green-swin-tiny-w7_fpn_1x_coco.py '
        'work_dirs/mask-rcnn_green-swin-tiny-w7_fpn_1x_coco/epoch_12.pth --show-dir pictures',
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder for the log and the metrics')
    parser.add_argument('--out', metavar='FILE.pkl', help='save all predictions to this file')
    parser.add_argument('--show-dir', help='folder for pictures of the predictions')
    parser.add_argument(
        '--no-report', action='store_true', help='write no report of a COCO evaluation'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='change settings of the config, such as data_root=FOLDER; lists are written as '
        'key="[a,b]" or key=a,b',
    )
    parser.add_argument(
        '--allow-pickle',
        action='store_true',
        help='read checkpoints that hold pickled objects; they can run code, so trust their source',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how the processes of a distributed run were started',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        parser.error(f'--out {args.out} must end in .pkl or .pickle')
    return args


def main() -> None:
    args = parse_args()
    if args.allow_pickle:
        os.environ[ALLOW_PICKLE] = '1'
    with leaving_at_once(), one_sentence():
        cfg = load_config(args.config, args.cfg_options, args.work_dir)
        cfg.launcher = args.launcher
        cfg.load_from = args.checkpoint
        if args.show_dir:
            hook = cfg.default_hooks.get('visualization')
            if hook is None:
                raise UserError(f'{args.config} has no visualization hook, so no --show-dir')
            detection = hook.type == 'DetVisualizationHook'
            hook['draw' if detection else 'enable'] = True
            hook['test_out_dir' if detection else 'out_dir'] = osp.abspath(args.show_dir)
        prepare_config(cfg, 'test')
        runner = build_runner(cfg)
        if args.out:
            if cfg.default_scope == 'mmdet':
                from mmdet.evaluation import DumpDetResults as Dump
            else:
                Dump = DumpResults
            runner.test_evaluator.metrics.append(Dump(out_file_path=args.out))
        path = run_test(runner, report=not args.no_report).report
    if path:
        print(f'Report: {path}')


if __name__ == '__main__':
    main()
