"""Loss and gradients of GreenMIM, a part of the batch in each process. For torchrun.

two_processes.py FILE SHARING
"""

import sys

import torch
import torch.distributed as dist
from helpers import small_greenmim
from mmengine.dist import get_rank
from mmengine.model import MMDistributedDataParallel

from mmgreen.engine import leaving_at_once

SEED, STEP = 3, 5


def model_and_images(sharing):
    torch.manual_seed(0)
    model = small_greenmim(mask_sharing=sharing)
    model.train()
    model.layouts.step = STEP
    return model, torch.randn(4, 3, 224, 224)


def main(path, sharing):
    dist.init_process_group('gloo')
    model, images = model_and_images(sharing)
    wrapped = MMDistributedDataParallel(model, broadcast_buffers=False)
    torch.manual_seed(SEED)
    loss = wrapped(images[get_rank() :: 2], mode='loss')['loss']
    loss.backward()
    total = loss.detach() / 2
    dist.all_reduce(total)
    if get_rank() == 0:
        gradients = {name: p.grad for name, p in model.named_parameters()}
        torch.save(dict(loss=total, gradients=gradients), path)


if __name__ == '__main__':
    with leaving_at_once():
        main(*sys.argv[1:])
