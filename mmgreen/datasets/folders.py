"""Folders of images: labelled by the names of their subfolders, or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mmengine.logging import print_log
from mmpretrain.datasets import CustomDataset

from mmgreen.errors import UserError
from mmgreen.registry import DATASETS

from .class_folders import read_class_folders
from .copies import files_of, find_copies
from .corrupt import SkipCorruptImages
from .faults import listed
from .images import EXTENSIONS
from .packs import is_pack, open_pack
from .tree import look_through


@DATASETS.register_module()
class UnlabelledDataset(SkipCorruptImages, CustomDataset):
    """Every image below a folder, nested as deep as it may be, labels ignored.

    Links are followed, each file is taken once, and hidden ones never. An ImageNet tree, a flat folder and a mixture of formats all work as they
    are, and a pack (:mod:`mmgreen.datasets.packs`) on a disk or in a store.

    Args:
        data_root: Folder, or address of a store (``s3://bucket/folder``).
        data_prefix: Folder below ``data_root`` to look in.
        exclude: Images that are not used, wherever else they lie and whatever they are called: folders of
            them, and files that name them (COCO's annotations, or a line each) in the folder that is
            looked in. They are told by their content.
        **kwargs: See :class:`mmpretrain.datasets.CustomDataset`.

    Raises:
        UserError: If there is no image, or it is not known which images ``exclude`` has.
    """

    def __init__(
        self,
        data_root: str = '',
        data_prefix: str = '',
        exclude: str | Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        kwargs = {'with_label': False, 'extensions': EXTENSIONS, **kwargs}
        if '://' in data_root:  # mmengine would look for a backend of its own to join them
            data_root, data_prefix = (
                '',
                '/'.join(filter(None, [data_root.rstrip('/'), data_prefix])),
            )
        self.exclude = [exclude] if isinstance(exclude, str) else list(exclude)
        super().__init__(data_root=data_root, data_prefix=data_prefix, **kwargs)

    def load_data_list(self) -> list[dict]:
        found = self._load_all()
        if not self.exclude:
            return found
        if '://' in self.img_prefix or is_pack(self.img_prefix):
            raise UserError(
                f'exclude compares files, and {self.img_prefix} is a pack or in a store: leave these images '
                'out before it is made'
            )
        for path in self.exclude:
            held = files_of(Path(path), Path(self.img_prefix))
            if held is None:
                raise UserError(
                    f'exclude has {path}, which is neither a folder of images nor a file that names some '
                    "(COCO's .json, or .txt with a line each)"
                )
            if not any(image.exists() for image in held):
                raise UserError(
                    f'exclude has {path}, whose images are not in {self.img_prefix}: name the folder that they '
                    'are in'
                )
            copies = find_copies(held, (Path(info['img_path']) for info in found))
            left_out = [str(path) for path in copies]
            print_log(
                f'{len(copies)} of {len(found)} images are left out, since they are among those of {path} '
                f'({listed(left_out)})'
                if copies
                else f'None of {len(found)} images is among those of {path}',
                logger='current',
            )
            found = [info for info in found if Path(info['img_path']) not in copies]
        if not found:
            raise UserError(
                f'exclude leaves no image of {self.img_prefix}: name fewer, or other ones'
            )
        return found

    def _load_all(self) -> list[dict]:
        if not is_pack(self.img_prefix):
            return super().load_data_list()
        pack = open_pack(self.img_prefix)
        found: list[dict] = [dict(img_path=pack.path(i)) for i in range(len(pack))]
        if self.with_label:
            for info, label in zip(found, pack.index.label.tolist(), strict=True):
                if label < 0:
                    raise UserError(
                        f'{unquote(info["img_path"])} is in no class folder: labels are needed here'
                    )
                info['gt_label'] = label
        return found

    def _find_samples(self) -> list:
        if '://' in self.img_prefix:
            return list(super()._find_samples())
        tree = look_through(self.img_prefix or '.')
        tree.say_left_out()
        names = list(tree.images)
        if not names:
            kinds = ', '.join(sorted(self.extensions))
            raise UserError(
                f'there is no image below {self.img_prefix}: put images ({kinds}) there, or point '
                'train_dataloader.dataset.data_root elsewhere'
            )
        if not self.with_label:
            return names
        classes = read_class_folders(self.img_prefix)
        self.folder_to_idx = {name: i for i, name in enumerate(classes)}
        if self.CLASSES is None:
            self._metainfo['classes'] = classes
        elif len(self.CLASSES) != len(classes):
            raise UserError(
                f'{self.img_prefix} has {len(classes)} class folders, and metainfo.classes '
                f'{len(self.CLASSES)} names'
            )
        inside = [(name, name.partition('/')[0]) for name in names if '/' in name]
        return [(name, self.folder_to_idx[folder]) for name, folder in inside]


@DATASETS.register_module()
class LabelledDataset(UnlabelledDataset):
    """Images whose class is the folder they are in, as in ImageNet.

    Args:
        data_root: Folder.
        data_prefix: Folder below ``data_root`` with one folder for each class.
        ann_file: A list of images and class numbers instead, below ``data_root``.
        **kwargs: See :class:`mmpretrain.datasets.CustomDataset`.

    Raises:
        UserError: If there is no image.
    """

    def __init__(
        self, data_root: str = '', data_prefix: str = '', ann_file: str = '', **kwargs: Any
    ) -> None:
        kwargs = dict(with_label=True) | kwargs
        super().__init__(data_root, data_prefix, ann_file=ann_file, **kwargs)
