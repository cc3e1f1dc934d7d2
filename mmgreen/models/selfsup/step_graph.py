"""Forward and backward pass of a training step as CUDA graphs."""

import logging
import time
from collections.abc import Callable
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmgreen.errors import UserError
from mmgreen.sparse import Layout, autocast_dtype

#: From images, a layout and what should be predicted to losses, all scalars: ``loss``, and others for the log.
Compute = Callable[[Tensor, Layout, Tensor], dict[str, Tensor]]

#: Passes before a capture, so that libraries have made what they make once.
_WARM_UP = 3


class StepGraph:
    """Forward and backward pass of a step, captured at the first step and replayed at all others.

    The host then launches two graphs and not two thousand kernels, one after the other. Images, layout and target
    of a step are copied to where those of the first step were. The loss has a backward pass like any other, so that
    loss scales, accumulation of gradients and wrappers of the model work as usual. On a CPU the same
    is computed, and nothing is captured.

    A step of another shape runs as it would without a graph: the last batch of an epoch, or a mask that did not fit
    (:attr:`Layout.fits`).

    Args:
        model: What has the parameters, and ``compute``: the forward pass, in which nothing is random but on the device.
        required: Whether images that change their size, or masks that hide other numbers of units, are an error.
            Otherwise they end the use of graphs, which is said.

    Raises:
        UserError: See ``required``.
        RuntimeError: If a step's backward pass comes after another forward pass, which has overwritten it.
    """

    def __init__(self, model: Any, required: bool = False) -> None:
        self._model, self._required = model, required
        self._step: _StaticStep | None = None
        self._is_off = False

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), '_step': None}  # a copied model captures a step of its own

    def __call__(self, images: Tensor, layout: Layout, target: Tensor) -> dict[str, Tensor]:
        """The losses of ``compute``."""
        inputs, compute = (images, layout, target), self._model.compute
        if self._is_off:
            return compute(*inputs)
        parameters = [p for p in self._model.parameters() if p.requires_grad]
        if self._step is None or not self._step.is_of(parameters):
            self._step = None  # its memory is for the next one
            try:
                self._step = _StaticStep(compute, parameters, *inputs)
            except RuntimeError as error:
                if self._required:
                    raise
                self._turn_off(f'CUDA cannot capture it ({str(error).strip().splitlines()[0]})')
                return compute(*inputs)
        if self._step.has_shapes_of(*inputs):
            return self._step.run(*inputs)
        change = self._step.change(images, layout)
        if change and self._required:
            raise UserError(f'a CUDA graph is of one shape: {change}; remove cuda_graph=True')
        if change:
            self._turn_off(change)
        return compute(*inputs)

    def _turn_off(self, why: str) -> None:
        self._is_off, self._step = True, None
        print_log(
            f'The training step is not a CUDA graph any more: {why}.',
            logger='current',
            level=logging.WARNING,
        )


class _StaticStep:
    """A step whose tensors stay where they are.

    Args:
        compute: The forward pass.
        parameters: Those that are trained.
        images: (B, C, H, W); these and the next two are examples of what it is run on.
        layout: A layout.
        target: What should be predicted.
    """

    def __init__(
        self,
        compute: Compute,
        parameters: list[nn.Parameter],
        images: Tensor,
        layout: Layout,
        target: Tensor,
    ) -> None:
        self._compute, self._parameters = compute, parameters
        self._places = [p.data_ptr() for p in parameters]
        self._shapes = _shapes(images, layout, target)
        self._layout = layout
        self._inputs = [x.detach().clone() for x in (images, layout.in_one(), target)]
        self._losses: dict[str, Tensor] = {}
        self._grad = images.new_ones((), dtype=torch.float32)
        self._runs = 0
        self._forward, self._backward = self._pass_forward, self._pass_backward
        if images.is_cuda:
            self._capture()

    def is_of(self, parameters: list[nn.Parameter]) -> bool:
        """Whether these are the parameters, and where they were."""
        return self._places == [p.data_ptr() for p in parameters]

    def has_shapes_of(self, images: Tensor, layout: Layout, target: Tensor) -> bool:
        """Whether a step can be run on these."""
        return self._shapes == _shapes(images, layout, target)

    def change(self, images: Tensor, layout: Layout) -> str | None:
        """How the size of images or the number of visible units has changed, in words."""
        before, now = (tuple(x.shape[2:]) for x in (self._inputs[0], images))
        if before != now:
            return f'images of {before[0]}x{before[1]} and of {now[0]}x{now[1]} pixels come to it'
        counts = [x.visible.shape[1] for x in (self._layout, layout)]
        if counts[0] != counts[1]:
            return f'masks leave {counts[0]} units visible, and then {counts[1]}'
        return None

    def run(self, images: Tensor, layout: Layout, target: Tensor) -> dict[str, Tensor]:
        """The losses."""
        for static, new in zip(self._inputs, (images, layout.in_one(), target), strict=True):
            static.copy_(new, non_blocking=True)
        loss = _Replayed.apply(self, *self._parameters)
        return {name: loss if name == 'loss' else x.clone() for name, x in self._losses.items()}

    def forward(self) -> tuple[Tensor, int]:
        """The loss, and a number for its backward pass."""
        self._forward()
        self._runs += 1
        return self._losses['loss'].detach().clone(), self._runs

    def backward(self, grad: Tensor, run: int) -> list[Tensor | None]:
        """Gradients of the parameters.

        Args:
            grad: That of the loss.
            run: What :meth:`forward` gave.
        """
        if run != self._runs:
            raise RuntimeError(
                'the backward pass of a training step must come before the next forward pass, which '
                'overwrites what it needs: set cuda_graph=False, or change the order'
            )
        self._grad.copy_(grad)
        self._backward()
        # One copy of all, as the next step overwrites them.
        parts = self._gradients.clone().split(self._sizes)
        return [
            part.view(p.shape) if len(part) else None
            for p, part in zip(self._parameters, parts, strict=True)
        ]

    def _pass_forward(self) -> None:
        images, packed, target = self._inputs
        # Casts that are kept from before would stay as they are.
        torch.clear_autocast_cache()
        self._layout.unpack(packed)
        with torch.enable_grad():
            self._losses = self._compute(images, self._layout, target)
        torch.clear_autocast_cache()

    def _pass_backward(self) -> None:
        loss = self._losses['loss']
        with torch.autocast(loss.device.type, enabled=False):  # as a backward pass is
            gradients = torch.autograd.grad(loss, self._parameters, self._grad, allow_unused=True)
        self._sizes = [0 if g is None else g.numel() for g in gradients]
        self._gradients = torch.cat([g.flatten() for g in gradients if g is not None])

    def _capture(self) -> None:
        start = time.monotonic()
        stream, current = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(current)
        # What is drawn before the first step is not part of a run.
        with (
            torch.random.fork_rng([self._inputs[0].device]),
            torch.cuda.stream(stream),
        ):
            for _ in range(_WARM_UP):
                self._pass_forward()
                self._pass_backward()
        current.wait_stream(stream)
        self._losses = {}
        forward, backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        # Other threads, as the one that pins memory, may do what they do meanwhile.
        with torch.cuda.graph(forward, capture_error_mode='thread_local'):
            self._pass_forward()
        with torch.cuda.graph(backward, forward.pool(), capture_error_mode='thread_local'):
            self._pass_backward()
        self._forward, self._backward = forward.replay, backward.replay
        seconds = time.monotonic() - start
        print_log(
            f'The training step is a CUDA graph, captured in {seconds:.1f} s '
            '(model.cuda_graph=False turns it off).',
            logger='current',
        )


class _Replayed(torch.autograd.Function):
    """The loss of a step, as a function of its parameters."""

    @staticmethod
    def forward(ctx: Any, step: _StaticStep, *parameters: Tensor) -> Tensor:
        ctx.step = step
        loss, ctx.run = step.forward()
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return None, *ctx.step.backward(grad, ctx.run)


def _shapes(images: Tensor, layout: Layout, target: Tensor) -> tuple[Any, ...]:
    """What must be equal for a step to be the same kernels."""
    inputs = [(x.shape, x.dtype, x.device) for x in (images, target)]
    return *inputs, layout.structure(), autocast_dtype(images)
