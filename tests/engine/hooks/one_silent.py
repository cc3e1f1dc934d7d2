"""The second of two processes is silent for three seconds, in a validation and then in a step. An end of a run each.

one_silent.py FOLDER RANK
"""

import os
import sys
import time
from types import SimpleNamespace

import torch
import torch.distributed as dist
from mmengine.config import Config

from mmgreen.engine.hooks import PatienceHook


def main(folder, rank):
    dist.init_process_group('gloo', init_method=f'file://{folder}/met', rank=rank, world_size=2)
    runner = SimpleNamespace(cfg=Config(dict(env_cfg=dict(dist_cfg=dict(timeout=60)))))
    hook = PatienceHook(seconds=1)

    def meet(where, silent=3.0):
        if rank:
            time.sleep(silent)
        try:
            dist.all_reduce(torch.zeros(1))
        except RuntimeError as error:
            print(where, 'given up:', str(error).splitlines()[0], flush=True)
            os._exit(0)
        print(where, 'met', flush=True)

    hook.before_train(runner)
    meet('first step')
    hook.after_train_iter(runner)
    meet('second step', silent=0.0)
    hook.before_val_epoch(runner)
    meet('validation')
    hook.after_train_iter(runner)
    meet('last step')


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]))
