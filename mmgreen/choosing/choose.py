"""Images that are worth labelling: those a detector is in doubt of, and that stand for others."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from mmgreen.datasets.copies import find_copies
from mmgreen.datasets.faults import listed
from mmgreen.errors import UserError
from mmgreen.importing import AnnotatedImage, near_duplicates

from .coverage import cover
from .looking import Eyes, Seen


@dataclass(frozen=True)
class Choice:
    """An image to be labelled.

    Attributes:
        path: Its file.
        seen: What the net sees in it.
        share: By how much it makes all images better stood for: the share in what their doubts sum to, or in
            their number where there is no detector.
    """

    path: Path
    seen: Seen
    share: float


def choose(
    eyes: Eyes, images: Sequence[Path], number: int, labelled: Sequence[Path] = ()
) -> tuple[list[Choice], list[str]]:
    """Choose images to be labelled.

    Of images that show nearly the same one can be chosen, and none that shows nearly the same as a labelled one.

    Args:
        eyes: What looks at them.
        images: To choose from.
        number: How many, at most.
        labelled: Images that have labels: neither they nor copies of them are chosen, and what is like them
            is not needed.

    Returns:
        Choices, the best first; and what they were chosen from, a line each.

    Raises:
        UserError: If all are labelled or cannot be read.
    """
    copies = find_copies(labelled, images)
    rest = [path for path in images if path not in copies]
    free = _unlike(rest, labelled)
    account = [
        f'{len(images)} images',
        f'{len(copies)} of them are among the {len(labelled)} that are labelled',
    ]
    if len(rest) > len(free):
        account.append(
            f'{len(rest) - len(free)} show nearly the same as others, or as labelled ones'
        )
    known = [eyes.features(path) for path in _shown(labelled, 'Labelled images')]
    seen, broken = {}, []
    for path in _shown(free, 'Images'):
        try:
            seen[path] = eyes.look(path)
        except UserError:
            broken.append(path.name)
    if broken:
        account.append(f'{len(broken)} cannot be read ({listed(broken)})')
    if not seen:
        raise UserError(f'there is nothing to choose from: {", ".join(account)}')
    doubts = np.array([np.nan if each.doubt is None else each.doubt for each in seen.values()])
    # Where nothing was found there may be nothing, or what is not known yet.
    usual = 1.0 if np.isnan(doubts).all() else np.nanmedian(doubts)
    chosen = cover(
        np.stack([each.features for each in seen.values()]),
        np.where(np.isnan(doubts), usual, doubts),
        number,
        np.stack(known) if known else None,
    )
    paths = list(seen)
    return [Choice(paths[i], seen[paths[i]], share) for i, share in chosen], account


def _unlike(images: Sequence[Path], labelled: Sequence[Path]) -> list[Path]:
    """Images less those that show nearly the same as a labelled one, or as one before."""
    every = [AnnotatedImage(str(path.resolve()), (0, 0)) for path in (*labelled, *images)]
    first = {min(group) for group in near_duplicates(Path(), every)}
    return [path for place, path in enumerate(images, len(labelled)) if place in first]


def _shown(paths: Sequence[Path], what: str) -> Iterable[Path]:
    return track(paths, what, console=Console(stderr=True))
