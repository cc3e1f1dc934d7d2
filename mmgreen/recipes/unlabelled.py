"""Images that a detector learns from without labels."""

from dataclasses import dataclass
from pathlib import Path

from mmgreen.datasets.copies import find_copies
from mmgreen.datasets.faults import listed
from mmgreen.datasets.tree import look_through
from mmgreen.errors import UserError
from mmgreen.importing import Dataset
from mmgreen.importing.source import NOT_ANNOTATED


@dataclass(frozen=True)
class Unlabelled:
    """Some images.

    Attributes:
        root: Their folder, with a slash at its end.
        names: Below it.
        notes: What was left out, and why.
    """

    root: str
    names: list[str]
    notes: list[str]


def find_unlabelled(dataset: Dataset, folder: Path | None) -> Unlabelled | None:
    """Images of a folder, or those of the dataset's that nobody annotated.

    None is an image that the detector is judged by: validation's and test's are left out, by path and
    by content.

    Args:
        dataset: Divided into splits.
        folder: Folder of images; None takes what is not annotated of the dataset's, where there are as
            many as are trained on.

    Returns:
        Them, or None where there are too few and none were asked for.

    Raises:
        UserError: If the folder has no image that can be used.
    """
    root = dataset.folder if folder is None else folder
    if folder is None:
        names = dataset.left_out.get(NOT_ANNOTATED, [])
        if len(names) < len(dataset.splits['train']):
            return None
    else:
        if not folder.is_dir():
            raise UserError(f'folder {folder} does not exist (--unlabelled)')
        names = list(look_through(str(folder)).images)
    held = [image for split in ('val', 'test') for image in dataset.splits.get(split, [])]
    paths = {root / name: name for name in names}
    shared = find_copies((dataset.folder / image.name for image in held), paths)
    left_out = sorted(paths[path] for path in shared)
    names = [name for name in names if name not in set(left_out)]
    if not names:
        raise UserError(
            f'{root} has no image that is not among those of validation or test: name another folder '
            '(--unlabelled)'
        )
    notes = [
        f'left out: {len(left_out)} images that are of validation or test, too ({listed(left_out)})'
    ]
    return Unlabelled(str(root).rstrip('/') + '/', names, notes if left_out else [])
