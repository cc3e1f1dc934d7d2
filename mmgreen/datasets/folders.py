"""Folders of images: labelled by the names of their subfolders, or not at all."""

from typing import Any

from mmpretrain.datasets import CustomDataset

from mmgreen.errors import UserError
from mmgreen.registry import DATASETS

from .corrupt import SkipCorruptImages
from .images import EXTENSIONS


@DATASETS.register_module()
class UnlabelledDataset(SkipCorruptImages, CustomDataset):
    """Every image below a folder, nested as deep as it may be, labels ignored.

    An ImageNet tree, a flat folder and a mixture of formats all work as they
    are.

    Args:
        data_root: Folder.
        data_prefix: Folder below ``data_root`` to look in.
        **kwargs: As of :class:`mmpretrain.datasets.CustomDataset`.

    Raises:
        UserError: If there is no image.
    """

    def __init__(self, data_root: str = '', data_prefix: str = '', **kwargs: Any) -> None:
        kwargs = {'with_label': False, 'extensions': EXTENSIONS, **kwargs}
        super().__init__(data_root=data_root, data_prefix=data_prefix, **kwargs)

    def _find_samples(self) -> list[str]:
        try:
            return super()._find_samples()
        except RuntimeError as error:
            kinds = ', '.join(sorted(self.extensions))
            raise UserError(
                f'there is no image below {self.img_prefix}: put images ({kinds}) there, or point '
                'train_dataloader.dataset.data_root elsewhere'
            ) from error


@DATASETS.register_module()
class LabelledDataset(UnlabelledDataset):
    """Images whose class is the folder they are in, as in ImageNet.

    Args:
        data_root: Folder.
        data_prefix: Folder below ``data_root`` with one folder for each class.
        ann_file: A list of images and class numbers instead, below ``data_root``.
        **kwargs: As of :class:`mmpretrain.datasets.CustomDataset`.

    Raises:
        UserError: If there is no image.
    """

    def __init__(
        self, data_root: str = '', data_prefix: str = '', ann_file: str = '', **kwargs: Any
    ) -> None:
        kwargs = dict(with_label=True) | kwargs
        super().__init__(data_root, data_prefix, ann_file=ann_file, **kwargs)
