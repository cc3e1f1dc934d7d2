"""Images without labels, for pre-training."""

from mmpretrain.datasets import CustomDataset

from mmgreen.errors import UserError
from mmgreen.registry import DATASETS

from .corrupt import SkipCorruptImages


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

    def __init__(self, data_root: str = '', data_prefix: str = '', **kwargs) -> None:
        kwargs.setdefault('with_label', False)
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
