"""The toy run with a spoilt image. For torchrun.

two_watched.py WORK_DIR
"""

import sys
from pathlib import Path

import torch
from mmengine.dist import all_gather_object, is_main_process
from toy import toy_config, train

from mmgreen.engine import leaving_at_once


def main(work_dir):
    cfg = toy_config(work_dir, spoilt=[5])
    cfg.launcher = 'pytorch'
    model = train(cfg).model.module
    weights = all_gather_object(model.state_dict())
    if is_main_process():
        torch.save(weights, work_dir / 'weights.pth')


if __name__ == '__main__':
    with leaving_at_once():
        main(Path(sys.argv[1]))
