"""A model in each of several processes, whose gradients are averaged in one piece."""

from typing import Any

import torch
from mmengine.dist import all_reduce, broadcast
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmgreen.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class FlatDataParallel(nn.Module):
    """Averages gradients after the backward pass, as one flat tensor.

    DistributedDataParallel reduces them in buckets while the backward pass goes on, as hooks of the parameters tell
    it. A backward pass that is a CUDA graph (``GreenMIM.cuda_graph``) gives all of them at once: one
    reduction then takes the least time. The result is the same. Where gradients are accumulated, the last step of
    each round reduces them.

    All processes begin with the parameters and buffers of the first.

    Args:
        module: The model, on the device of its process.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        for tensor in (*module.parameters(), *module.buffers()):
            broadcast(tensor.data)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the model gives."""
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """A step of training on the batches of all processes; losses of this one, for the log."""
        model: Any = self.module
        with optim_wrapper.optim_context(model):
            data = model.data_preprocessor(data, True)
            losses = model(**data, mode='loss')
        loss, log = model.parse_losses(losses)
        optim_wrapper.backward(optim_wrapper.scale_loss(loss))
        if optim_wrapper.should_update():
            self.reduce()
            optim_wrapper.step()
            optim_wrapper.zero_grad()
        return log

    def val_step(self, data: Any) -> Any:
        """See the model."""
        return self.module.val_step(data)

    def test_step(self, data: Any) -> Any:
        """See the model."""
        return self.module.test_step(data)

    def reduce(self) -> None:
        """Let each process have the mean of the gradients of all, which are views of one tensor from then on."""
        trained = [p for p in self.module.parameters() if p.grad is not None]
        flat = torch.cat([p.grad.flatten() for p in trained])
        all_reduce(flat, op='mean')
        parts = flat.split([p.numel() for p in trained])
        for parameter, part in zip(trained, parts, strict=True):
            parameter.grad = part.view(parameter.shape)
