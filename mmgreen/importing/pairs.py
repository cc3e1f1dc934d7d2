"""Images that have an annotation file of their own name: LabelMe, Pascal VOC, YOLO."""

import binascii
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.progress import track

from mmgreen.datasets.images import is_image_name
from mmgreen.errors import UserError

from .dataset import AnnotatedImage
from .labelme import read_labelme
from .objects import complete
from .sizes import image_size
from .voc import read_voc
from .yolo import read_yolo

#: Whose annotation files end so.
KINDS = {'.json': 'LabelMe', '.xml': 'Pascal VOC', '.txt': 'YOLO'}


def find_pairs(
    images: Path, annotations: Path, endings: Iterable[str] = ('.json', '.xml')
) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Images with their annotation files, and images without one.

    Args:
        images: Folder, looked through to its depths.
        annotations: Folder of the same structure.
        endings: Endings of annotation files.

    Raises:
        UserError: If an image has two.
    """
    pairs, without = [], []
    for image in sorted(p for p in images.rglob('*') if is_image_name(p.name)):
        stem = (annotations / image.relative_to(images)).with_suffix('')
        found = [p for p in (stem.parent / f'{stem.name}{e}' for e in endings) if p.exists()]
        if len(found) > 1:
            raise UserError(f'{image} has two annotation files, {found[0]} and {found[1]}')
        if found:
            pairs.append((image, found[0]))
        else:
            without.append(image)
    return pairs, without


def read_pairs(
    folder: Path,
    pairs: list[tuple[Path, Path]],
    left_out: Counter,
    names: tuple[str, ...] = (),
    boxes_as_masks: bool = False,
) -> list[AnnotatedImage]:
    """Images and their objects.

    Args:
        folder: Below which the images are named.
        pairs: Image and annotation file.
        left_out: Counts what is left out.
        names: Categories of YOLO.
        boxes_as_masks: Take each box of VOC as a mask, too.

    Raises:
        UserError: If a file cannot be read, or is for an image of another size.
    """
    found = []
    for image, annotation in track(
        pairs, 'Annotations', console=Console(stderr=True), transient=True
    ):
        size = image_size(image)
        try:
            if annotation.suffix == '.json':
                instances = list(read_labelme(annotation, size, left_out))
            elif annotation.suffix == '.xml':
                instances = list(read_voc(annotation, size, boxes_as_masks))
            else:
                instances = list(read_yolo(annotation, size, names, left_out))
        except UserError:
            raise
        except (
            *(ValueError, KeyError, TypeError, AttributeError, IndexError, OSError),
            *(ElementTree.ParseError, binascii.Error),
        ) as error:
            raise UserError(
                f'{annotation} is not an annotation of {KINDS[annotation.suffix]}: '
                f'{type(error).__name__} {error}'
            ) from error
        kept = [whole for i in instances if (whole := complete(i, size)) is not None]
        left_out['instances without area inside the image'] += len(instances) - len(kept)
        found.append(AnnotatedImage(image.relative_to(folder).as_posix(), size, kept))
    return found
