"""A page of an annotated folder: its images, what is wrong with them, and those that are nearly the same."""

from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from mmgreen.datasets.images import evenly_spaced
from mmgreen.errors import UserError
from mmgreen.importing import (
    AnnotatedImage,
    Dataset,
    describe_not_understood,
    examine_folder,
    examine_images,
    near_duplicates,
)
from mmgreen.importing.source import Source

from .writing import refuse_other_files, write_page, write_thumbnail


@dataclass(frozen=True)
class Shown:
    """An image on the page.

    Attributes:
        name: Below the folder.
        split: Its split; empty where there are none.
        picture: The thumbnail, beside the page; empty where the image cannot be read.
        counts: Objects by category.
        sides: Sides of squares of its smallest and its largest object's area, in pixels; zeros of none.
    """

    name: str
    split: str
    picture: str
    counts: dict[str, int]
    sides: tuple[float, float]

    @property
    def objects(self) -> int:
        return sum(self.counts.values())


def browse(
    folder: Path, out: Path, annotations: Path | None = None, most: int = 2000
) -> tuple[Path, Dataset | None]:
    """Write ``index.html`` and a folder of thumbnails.

    Args:
        folder: Folder of any layout that :func:`~mmgreen.importing.read_dataset` knows.
        out: Folder for the page.
        annotations: Folder of the annotations, where it is another one.
        most: Images that are shown at most; of more, some evenly spaced.

    Returns:
        The page, and what was read, if anything can be.

    Raises:
        UserError: If the folder does not exist or has no image, or ``out`` holds other files.
    """
    refuse_other_files(out)
    refused: list[tuple[object, str]] = []
    try:
        dataset, source = examine_folder(folder, annotations=annotations)
    except UserError as error:
        if not folder.is_dir():
            raise
        # Annotations that stop every reader: the images are shown beside the reason.
        dataset, source = examine_images(folder)
        refused = [(folder, str(error))]
    if dataset is not None and dataset.not_understood:
        refused.append((folder, describe_not_understood(dataset)))
    faults = refused + source.faults.each()
    if not source.tree.images:
        raise UserError(faults[0][1] if faults else f'there is no image below {folder}')
    images = [
        (split, image)
        for split, some in (dataset.splits if dataset else {}).items()
        for image in some
    ]
    chosen = evenly_spaced(images, most)
    categories = dataset.categories if dataset else ()
    several = len(dataset.splits) > 1 if dataset else False
    shown = [
        _show(source, image, split if several else '', categories, out, number)
        for number, (split, image) in enumerate(track(chosen, 'Images'))
    ]
    groups = near_duplicates(source.folder, [image for _, image in chosen]) if chosen else []
    page = write_page(
        out,
        __package__,
        'page.html.j2',
        title=str(folder),
        dataset=dataset,
        account=dataset.account() + dataset.notes if dataset else [],
        counts=_counts(dataset),
        total=len(images),
        images=shown,
        alike=[[shown[i] for i in group] for group in groups if len(group) > 1],
        faults=_with_pictures(source, faults, out),
        splits=list(dataset.splits) if several and dataset else [],
    )
    return page, dataset


def _counts(dataset: Dataset | None) -> list[tuple[str, int, int]]:
    """Of each category, how many objects and images there are."""
    if dataset is None:
        return []
    found = {name: [0, 0] for name in dataset.categories}
    for image in dataset.images:
        labels = [thing['label'] for thing in image.objects]
        for label in labels:
            found[label][0] += 1
        for label in set(labels):
            found[label][1] += 1
    return [(name, objects, images) for name, (objects, images) in found.items()]


def _show(
    source: Source,
    image: AnnotatedImage,
    split: str,
    categories: tuple[str, ...],
    out: Path,
    number: int | str,
) -> Shown:
    counts: dict[str, int] = {}
    for thing in image.objects:
        counts[thing['label']] = counts.get(thing['label'], 0) + 1
    sides = [thing['area'] ** 0.5 for thing in image.objects]
    picture = write_thumbnail(out, number, source.folder / image.name, image, categories)
    return Shown(image.name, split, picture, counts, (min(sides, default=0), max(sides, default=0)))


def _with_pictures(
    source: Source, faults: list[tuple[object, str]], out: Path
) -> list[tuple[str, str]]:
    """Each fault's sentence, and a thumbnail where it is of one image that can be read."""
    found = []
    for number, (entry, sentence) in enumerate(faults):
        picture = ''
        if isinstance(entry, str) and entry in source.tree.images and source.size(entry):
            image = AnnotatedImage(entry, source.size(entry) or (0, 0))
            picture = _show(source, image, '', (), out, f'fault-{number}').picture
        found.append((sentence, picture))
    return found
