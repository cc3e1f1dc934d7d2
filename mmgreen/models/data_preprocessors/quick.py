"""Preprocessors of mmpretrain and mmdet that do not make a GPU wait."""

from typing import Any

from mmdet.models import DetDataPreprocessor as MMDetDataPreprocessor
from mmengine.structures import BaseDataElement
from mmpretrain.models import SelfSupDataPreprocessor as MMPretrainSelfSupDataPreprocessor
from torch import Tensor

from mmgreen.registry import MODELS


class FlipChannels:
    """To be inherited from before a preprocessor of mmengine's kind.

    Those swap red and blue by a list of indices, which goes to the device in a copy
    that is waited for, in every step; a flip is the same and needs none. Samples
    without tensors are not copied one by one.
    """

    def cast_data(self, data: Any) -> Any:
        if isinstance(data, BaseDataElement) and not any(
            isinstance(value, Tensor | BaseDataElement) for value in data.values()
        ):
            return data
        return super().cast_data(data)

    def forward(self, data: dict, training: bool = False) -> dict | list:
        if not self._channel_conversion:
            return super().forward(data, training)
        inputs = self.cast_data(data['inputs'])
        flipped = inputs.flip(-3) if isinstance(inputs, Tensor) else [x.flip(-3) for x in inputs]
        self._channel_conversion = False
        try:
            return super().forward({**data, 'inputs': flipped}, training)
        finally:
            self._channel_conversion = True


@MODELS.register_module()
class SelfSupDataPreprocessor(FlipChannels, MMPretrainSelfSupDataPreprocessor):
    """mmpretrain's, with the same settings. ``mmgreen train`` uses it in its place."""


@MODELS.register_module()
class DetDataPreprocessor(FlipChannels, MMDetDataPreprocessor):
    """mmdet's, with the same settings. ``mmgreen train`` uses it in its place."""
