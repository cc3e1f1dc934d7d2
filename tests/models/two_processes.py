"""Loss and gradients of GreenMIM, a part of the batch in each process. For torchrun.

two_processes.py FILE SHARING
"""

import sys

import torch
import torch.distributed as dist
from helpers import small_greenmim
from mmengine.dist import all_gather, get_rank
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper

from mmgreen.engine import FlatDataParallel, leaving_at_once

SEED, STEP = 3, 5


def model_and_images(sharing):
    torch.manual_seed(0)
    # With a mask for each, a step on tensors that stay where they are.
    model = small_greenmim(mask_sharing=sharing, cuda_graph=sharing == 'sample')
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
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}

    steps = [
        trained_by(wrapper, sharing) for wrapper in (MMDistributedDataParallel, FlatDataParallel)
    ]
    if get_rank() == 0:
        torch.save(dict(loss=total, gradients=gradients, steps=steps), path)


def trained_by(wrapper, sharing):
    """Parameters after three batches of each process, two of which are a step, in the second process, too."""
    model, images = model_and_images(sharing)
    if get_rank():
        for parameter in model.parameters():
            parameter.data += 1  # the first process's count
    wrapped = wrapper(model)
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), accumulative_counts=2)
    optimizer.initialize_count_status(wrapped, 0, 3)
    torch.manual_seed(SEED)
    for batch in range(3):
        data = dict(inputs=(batch + 1) * images[get_rank() :: 2], data_samples=None)
        wrapped.train_step(data, optimizer)
    parts = [p.detach().flatten() for p in model.parameters()]
    return all_gather(torch.cat(parts))


if __name__ == '__main__':
    with leaving_at_once():
        main(*sys.argv[1:])
