"""Decoders of the stages before the last, so that each stage learns."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from mmgreen.sparse import Layout, fill_places

#: From latents of visible tokens of the last stage's grid, and a decoder, to what it predicts of
#: tokens.
Decode = Callable[[nn.Module, Tensor], Tensor]


class StageDecoders(nn.Module):
    """A decoder for each of some stages before the last (`Masked Image Modeling with Local
    Multi-Scale Reconstruction <https://arxiv.org/abs/2303.05251>`_, section 3).

    The tokens of a stage that make up one of the last are joined, which is exact, and decoded like
    one of those: a stage learns from its own tokens, and decoders stay as small as the last one.

    Args:
        build: From the channels of joined tokens, and the values of a unit, to a decoder.
        channels: Of each stage of the backbone.
        weights: What the losses of the stages before the last are multiplied by, in their order.
        scales: Which of the target's values are of which scale, from fine to coarse: the stage next to
            the last has the one next to the coarsest, and so on.
    """

    def __init__(
        self,
        build: Callable[[int, int], nn.Module],
        channels: Sequence[int],
        weights: Sequence[float],
        scales: Sequence[slice],
    ) -> None:
        super().__init__()
        last = len(channels) - 1
        self.stages = list(range(last - len(weights), last))
        self.weights, self.last = tuple(weights), last
        self.parts = [scales[max(0, len(scales) - 1 - (last - i))] for i in self.stages]
        self.decoders = nn.ModuleList(
            build(channels[i] * 4 ** (last - i), part.stop - part.start)
            for i, part in zip(self.stages, self.parts, strict=True)
        )

    def losses(
        self,
        latents: Sequence[Tensor],
        layout: Layout,
        decode: Decode,
        compare: Callable[[Tensor, Tensor], Tensor],
        target: Tensor,
    ) -> dict[str, Tensor]:
        """The loss of each stage, weighted.

        Args:
            latents: Visible tokens of the stages before the last, as the backbone gives them; the last
                ones are of these stages.
            layout: Where they are.
            decode: What gives the predictions of units, (B, U, values), by a decoder.
            compare: How far predictions are from a target.
            target: (B, U, values).
        """
        losses = {}
        for i, x, part, weight, decoder in zip(
            self.stages,
            latents[len(latents) - len(self.stages) :],
            self.parts,
            self.weights,
            self.decoders,
            strict=True,
        ):
            pred = decode(decoder, self._join(x, i, layout))
            losses[f'stage_{i + 1}'] = weight * compare(pred, target[..., part])
        return losses

    def _join(self, x: Tensor, stage: int, layout: Layout) -> Tensor:
        """Tokens of a stage to those of the last one, (b, T, C) to (b, T / 4**k, 4**k * C)."""
        for merge in layout.merges[stage:]:
            if merge is not None:
                x = fill_places(x, merge, x.new_zeros(x.shape[2]))
            x = x.view(len(x), x.shape[1] // 4, 4 * x.shape[2])
        return x
