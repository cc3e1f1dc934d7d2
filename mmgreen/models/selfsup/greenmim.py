"""Green hierarchical masked image modelling."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import print_log
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS as MMPRETRAIN_MODELS
from torch import Tensor, nn

from mmgreen.errors import UserError
from mmgreen.registry import MODELS
from mmgreen.sparse import Layout

from ..heads import GreenMIMHead
from ..necks.stage_decoders import StageDecoders
from .masking import Masking, build_masking
from .step_graph import StepGraph
from .step_layouts import StepLayouts

#: How often a mask is drawn until it fits into groups of one shape; nearly all do at first.
_ATTEMPTS = 20


@MODELS.register_module()
class GreenMIM(BaseSelfSupervisor):
    """Masked image modelling whose encoder computes visible patches only.

    `Green Hierarchical Vision Transformer for Masked Image Modeling
    <https://arxiv.org/abs/2205.13515>`_. Masks are drawn on the CPU, and all
    index tensors follow from them there; those of the next step are built while
    the device works on this one (:class:`~mmgreen.models.selfsup.step_layouts.StepLayouts`, ``layouts``).
    The masks of a step depend on seed, step and rank of the process alone.

    Args:
        backbone: A :class:`GreenBackbone` whose last ``out_indices`` is
            the last stage.
        neck: The decoder, :class:`GreenMIMDecoder`; its ``patch_size`` follows the
            backbone's stride.
        head: What is predicted of hidden units, and the loss: a :class:`TargetHead`, such as
            :class:`GreenMIMHead` (pixels); its ``patch_size`` follows ``unit_size``.
        mask_ratio: Share of the units to hide, inside (0, 1).
        unit_size: Side of a mask unit in pixels: the backbone's stride (32), a
            multiple of it, or 16, 8 or 4 (see
            :attr:`GreenBackbone.unit_sizes`). Units finer than the stride
            cost more: a token is computed where any of its units is visible.
        masking: Which units are hidden: ``'random'`` ones, rectangles (``'block'``), three
            of every 2x2 (``'grid'``), those of a map in a file, or by any function
            (:func:`build_masking`).
        mask_sharing: ``'batch'``, one mask for the batch of a process, as in
            the paper, or ``'sample'``, a mask for each image.
        layout_workers: Processes that build the layouts of the next steps; with 0 this
            process does, while the device works on the step before. By default one where a GPU
            has a mask for each of 32 images or more, as otherwise it waits, and else 0.
        cuda_graph: Whether the forward and the backward pass of a training step are captured once as CUDA graphs and
            replayed (:class:`~mmgreen.models.selfsup.step_graph.StepGraph`), so that a GPU does not wait for the host.
            By default where the device is a GPU and steps are of one shape; the log says so, or why not. Masks whose
            windows do not fit into groups of one number and size, one or two in a hundred, are then drawn anew.
        stage_weights: Lets stages before the last predict, too, each by a decoder of its own
            (:class:`StageDecoders`): what their losses are multiplied by, ``(0.5, 0.5)`` for the two
            before it. By default only the last stage does, as in the paper.
        data_preprocessor: See mmpretrain's models.
        init_cfg: Initialisation.

    Raises:
        UserError: If the mask ratio, the unit size, the masking, the sharing of masks,
            the decoder's patch size or the weights of stages do not fit, or a graph is asked for
            that cannot be.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        mask_ratio: float = 0.75,
        unit_size: int = 32,
        masking: str | dict | Masking = 'random',
        mask_sharing: str = 'batch',
        layout_workers: int | None = None,
        cuda_graph: bool | None = None,
        stage_weights: Sequence[float] = (),
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        encoder = _with_stages(backbone, len(stage_weights))
        stride = encoder.stride
        if unit_size < 1 or (unit_size % stride and unit_size not in encoder.unit_sizes):
            raise UserError(
                f"unit_size {unit_size} is no multiple of the backbone's stride of {stride} "
                f'and none of {", ".join(map(str, encoder.unit_sizes))}'
            )
        mask_size = min(unit_size, stride)
        head = _built(head, patch_size=mask_size)
        values = (stride // mask_size) ** 2 * head.values
        pixels = isinstance(head, GreenMIMHead)
        super().__init__(
            backbone=encoder,
            neck=_built(neck, patch_size=stride, **({} if pixels else dict(values=values))),
            head=head,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        if not 0 < mask_ratio < 1:
            raise UserError(f'mask_ratio must lie between 0 and 1, not at {mask_ratio}')
        if mask_sharing not in ('batch', 'sample'):
            raise UserError(f"mask_sharing '{mask_sharing}' is unknown: choose from batch, sample")
        if self.head.patch_size != mask_size:
            raise UserError(
                f'head.patch_size {self.head.patch_size} does not match unit_size {unit_size}: '
                f'remove it, or set it to {mask_size}'
            )
        if self.neck.decoder_pred.out_features != values:
            raise UserError(
                f'the decoder predicts {self.neck.decoder_pred.out_features} values a token, not '
                f'{values}: remove neck.patch_size, or set it to {stride}, and remove neck.values'
            )
        scale = self.data_preprocessor
        normalises = getattr(scale, '_enable_normalize', None)
        if normalises is not None:
            mean, std = torch.zeros(3), torch.ones(3)  # pixels as they are loaded
            if normalises:
                mean, std = scale.mean.flatten(), scale.std.flatten()
            # mmpretrain's default turns nothing: channels are as images are loaded, blue first.
            self.head.sees(mean, std, scale._channel_conversion)
        self.stage_decoders = None
        if stage_weights:

            def build(channels: int, values: int) -> Any:
                values *= (stride // mask_size) ** 2
                small = dict(decoder_embed_dim=self.neck.mask_token.shape[2] // 2, decoder_depth=1)
                return _built({**neck, **small, 'embed_dim': channels, 'values': values})

            self.stage_decoders = StageDecoders(
                build, encoder.channels, stage_weights, head.scales()
            )
        #: For each merging after which tokens are larger than units, what stands in for one
        #: of the four that is missing. Not the backbone's: nothing is missing downstream.
        self.stand_ins = nn.ParameterList(
            nn.Parameter(torch.zeros(channels))
            for channels in encoder.channels_that_miss(mask_size)
        )
        self.masking = build_masking(masking)
        self.mask_ratio = mask_ratio
        self.unit_size = unit_size
        self.mask_sharing = mask_sharing
        self.cuda_graph = cuda_graph
        self._no_graph: str | None = None
        why = self._why_no_graph() if cuda_graph else ''
        if why:
            raise UserError(
                f'there is no CUDA graph of the training step: {why}; remove cuda_graph'
            )
        self._graph = StepGraph(self, required=bool(cuda_graph))
        #: The layouts of the steps of training.
        self.layouts = StepLayouts(
            self.layouts_for,
            0 if layout_workers is None and mask_sharing == 'batch' else layout_workers,
        )

    def draw_mask(
        self,
        image_size: tuple[int, int],
        num_masks: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw masks at the scale of ``unit_size``, on the backbone's grid where that is finer.

        Args:
            image_size: Height and width in pixels.
            num_masks: 1, or one for each sample.
            generator: Source of randomness; torch's CPU generator by default.

        Returns:
            Bool, (num_masks, H/u, W/u), u being the smaller of ``unit_size`` and the
            stride; True = masked, on the CPU.

        Raises:
            UserError: If the image is not a whole number of units, or no unit
                would stay visible.
        """
        if any(size % self.unit_size for size in image_size):
            raise UserError(
                f'images of {image_size[0]}x{image_size[1]} pixels (height x width) are not '
                f'divisible by unit_size {self.unit_size}: change the crop size of the training '
                'pipeline, or unit_size'
            )
        height, width = (size // self.unit_size for size in image_size)
        try:
            mask = self.masking(height, width, self.mask_ratio, num_masks, generator)
        except ValueError as error:
            raise UserError(str(error)) from error
        if mask.shape != (num_masks, height, width):
            raise UserError(
                f'masking gave a mask of shape {tuple(mask.shape)}, not {(num_masks, height, width)}'
            )
        repeat = self.unit_size // self.head.patch_size
        return mask.repeat_interleave(repeat, 1).repeat_interleave(repeat, 2)

    def build_layout(self, step: int, images: Tensor) -> Layout:
        """Draw the masks of a step, and index tensors from them, for such images.

        Args:
            step: Number of the training step.
            images: (B, 3, H, W); their shape and device matter.
        """
        return self.layouts_for(images)(step).to(images.device)

    def layouts_for(self, images: Tensor) -> Callable[[int], Layout]:
        """What makes the layout of a step on the CPU from its number, the same in any process.

        Args:
            images: (B, 3, H, W); their shape and device matter.
        """
        seed, rank, device = torch.initial_seed(), get_rank(), images.device
        num_masks = len(images) if self.mask_sharing == 'sample' else 1
        image_size = (images.shape[2], images.shape[3])

        grouping = 'fixed' if self._graphed(images) else None

        def build(step: int) -> Layout:
            for attempt in range(_ATTEMPTS):
                # Of an attempt of its own, so that no process waits for another to have a mask that fits.
                drawn = np.random.SeedSequence((seed, step, rank), spawn_key=(attempt,)[:attempt])
                state = drawn.generate_state(1, np.uint64)
                generator = torch.Generator().manual_seed(int(state[0]))
                mask = self.draw_mask(image_size, num_masks, generator)
                layout = self.backbone.plan_layout(image_size, mask, device, grouping)
                if grouping is None or layout.fits:
                    break
            return layout

        return build

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile what a device does in a step (:meth:`compute`), and nothing of what the host does before it.

        Steps are of one shape then, as for a CUDA graph, of which one is made, too, where there is a GPU.

        Args:
            *args: See :func:`torch.compile`.
            **kwargs: See :func:`torch.compile`.

        Raises:
            UserError: If steps cannot be of one shape.
        """
        why = self._why_no_graph()
        if why:
            raise UserError(f'steps of different shapes would be compiled again and again: {why}')
        self.cuda_graph = True
        self.compute = torch.compile(self.compute, *args, **kwargs)  # type: ignore[method-assign]

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def loss(self, inputs: Tensor, data_samples: list | None = None, **kwargs) -> dict[str, Tensor]:
        """Reconstruction loss of a batch of images under fresh masks.

        Args:
            inputs: (B, 3, H, W), preprocessed.
            data_samples: Of the images, for targets that look at them.

        Returns:
            ``dict(loss=...)``, a scalar; with ``stage_weights`` also what each of these stages adds to
            it, ``stage_1`` and so on, for the log.
        """
        layout = self.layouts.take(inputs)
        target = self.head.target(inputs, self._judged(layout), data_samples)
        compute = self._graph if self._graphed(inputs) else self.compute
        losses = compute(inputs, layout, target)
        self.layouts.prepare(inputs)
        return losses

    def compute(self, images: Tensor, layout: Layout, target: Tensor) -> dict[str, Tensor]:
        """The losses of :meth:`loss`, by what a device does alone.

        Args:
            images: (B, 3, H, W), preprocessed.
            layout: On their device.
            target: (B, U, values), of the units that are judged.
        """
        *earlier, latent = self.backbone.forward_sparse(images, layout, self.stand_ins)
        pred = self._predict(self.neck, latent, layout, images, self.head.split)
        losses = dict(loss=self.head.judge(pred, target))
        if self.stage_decoders is not None:

            def decode(decoder: nn.Module, latent: Tensor) -> Tensor:
                return self._predict(decoder, latent, layout, images)

            each = self.stage_decoders.losses(earlier, layout, decode, self.head.compare, target)
            losses['loss'] = losses['loss'] + sum(each.values())
            losses |= {name: loss.detach() for name, loss in each.items()}
        return losses

    def _judged(self, layout: Layout) -> Tensor:
        """The units whose predictions are judged, (1 or M, U) int32, row-major."""
        if not self.head.visible:
            return layout.masked
        units = layout.masked.shape[1] + layout.visible.shape[1]
        return torch.arange(units, dtype=torch.int32, device=layout.masked.device)[None]

    def _graphed(self, images: Tensor) -> bool:
        """Whether steps on such images are CUDA graphs; if they could be on a GPU, and are not, it is said once."""
        wanted = images.is_cuda if self.cuda_graph is None else self.cuda_graph
        if not (wanted and self.training and torch.is_grad_enabled()):
            return False
        if self._no_graph is None:
            self._no_graph = self._why_no_graph()
            if self._no_graph:
                why = f'The training step is no CUDA graph: {self._no_graph}.'
                print_log(why, logger='current')
        return not self._no_graph

    def _why_no_graph(self) -> str:
        """Why steps cannot all be of one shape, or captured; nothing where they can."""
        grouping = self.backbone.grouping
        if self.unit_size < self.backbone.stride:
            return (
                f'mask units of {self.unit_size} pixels are finer than the stride of '
                f'{self.backbone.stride}, so that the number of tokens varies from mask to mask'
            )
        if grouping not in ('optimal', 'fixed'):
            return f"grouping '{grouping}' makes other groups of each mask"
        if any(getattr(module, 'with_cp', False) for module in self.modules()):
            return 'activation checkpointing (with_cp) keeps random states on the host'
        return ''

    @torch.no_grad()
    def reconstruct(self, images: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Predict what a mask hides.

        Args:
            images: (B, 3, H, W), preprocessed.
            mask: Bool, (1 or B, H/u, W/u) for units of u pixels, as of
                :meth:`draw_mask`, True = masked; a random one for each image by default.

        Returns:
            ``latent``, of the visible tokens, as the backbone gives them; ``pred``
            (B, units, values), as the loss sees it; ``mask`` (B, H/u, W/u), bool; and, where the
            head's predictions are pictures, ``image`` (B, 3, H, W) in the scale of ``images``,
            masked units predicted, visible units kept.

        Raises:
            UserError: If the mask is of another shape.
        """
        size = (images.shape[2], images.shape[3])
        if mask is None:
            mask = self.draw_mask(size, len(images))
        units = tuple(pixels // self.head.patch_size for pixels in size)
        if mask.shape[1:] != units:
            raise UserError(
                f'the mask is of shape {tuple(mask.shape)}, but images of {size[0]}x{size[1]} '
                f'pixels have {units[0]}x{units[1]} units of {self.head.patch_size} pixels'
            )
        layout = self.backbone.build_layout(size, mask, images.device)
        latent = self.backbone.forward_sparse(images, layout, self.stand_ins)[-1]
        pred = self._all_units(self.neck, latent, layout, images, self.head.split)
        mask = mask.to(images.device).expand(len(images), -1, -1)
        found = dict(latent=latent, pred=pred, mask=mask)
        if self.head.draws:
            found['image'] = self.head.reconstruct(pred, images, mask)
        return found

    def _predict(
        self,
        decoder: nn.Module,
        latent: Tensor,
        layout: Layout,
        images: Tensor,
        split: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Predictions of the units that are judged, (B, U, values)."""
        if self.head.visible:
            return self._all_units(decoder, latent, layout, images, split)
        pred = decoder(latent, layout.restore, self._grid(images), layout.hidden)
        pred = self._of_units(pred, split)
        if self.unit_size < self.backbone.stride:
            pred = pred.index_select(1, layout.hidden_units)  # of partly visible tokens
        return pred.view(len(images), -1, pred.shape[2])

    def _all_units(
        self,
        decoder: nn.Module,
        latent: Tensor,
        layout: Layout,
        images: Tensor,
        split: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Predictions of all units of each image, (B, units, values), row-major."""
        grid = self._grid(images)
        pred = decoder(latent, layout.restore, grid).view(len(images), grid[0] * grid[1], -1)
        within = self._units_within
        pred = self._of_units(pred, split).view(len(images), *grid, within, within, -1)
        return pred.transpose(2, 3).reshape(len(images), grid[0] * grid[1] * within**2, -1)

    def _of_units(self, pred: Tensor, split: Callable[[Tensor], Tensor] | None) -> Tensor:
        """Predictions of tokens to those of their units, row-major inside a token by default."""
        if split is not None:
            return split(pred)
        return pred.reshape(len(pred), pred.shape[1] * self._units_within**2, -1)

    @property
    def _units_within(self) -> int:
        """Units along a side of a token."""
        return int(self.backbone.stride // self.head.patch_size)

    def _grid(self, images: Tensor) -> tuple[int, int]:
        """Tokens of the last stage per column and per row."""
        return tuple(size // self.backbone.stride for size in images.shape[2:])


def _with_stages(backbone: Any, number: int) -> Any:
    """The backbone, built so that it gives so many stages before the last one, too."""
    encoder = _built(backbone)
    if not number:
        return encoder
    last = len(encoder.channels) - 1
    if number > last or getattr(encoder, 'out_after_downsample', False):
        raise UserError(
            f'stage_weights has {number} weights, and the backbone has {last} stages before its last '
            'one: leave some out, and leave out_after_downsample'
        )
    wanted = tuple(sorted({*encoder.out_indices, *range(last - number, last + 1)}))
    return _built({**backbone, 'out_indices': wanted})


def _built(part: dict | nn.Module, **defaults: int) -> Any:
    """A part of the model from its config; mmpretrain would look in its own scope only."""
    if not isinstance(part, dict):
        return part
    registry = MODELS if part['type'] in MODELS else MMPRETRAIN_MODELS
    return registry.build({**defaults, **part})
