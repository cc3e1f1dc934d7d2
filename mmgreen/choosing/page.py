"""What was chosen, as a list, as a folder of images to be labelled, and as a page to look at."""

import csv
import shutil
from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from mmgreen.browsing import write_page, write_thumbnail
from mmgreen.errors import UserError
from mmgreen.files import write_whole
from mmgreen.importing import AnnotatedImage

from .choose import Choice

#: Detections of a lower score are not drawn.
_DRAWN = 0.3


def refuse_used(out: Path) -> None:
    """Refuse a folder that holds something: it may be what a person has labelled.

    Raises:
        UserError: If it does.
    """
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f'{out} holds files, perhaps labels: name another folder (--out)')


def write_choices(
    out: Path,
    folder: Path,
    choices: Sequence[Choice],
    classes: tuple[str, ...],
    account: Sequence[str],
) -> Path:
    """Write ``images/``, copies of what was chosen, ``chosen.csv`` and ``index.html``.

    Args:
        out: Folder, not there or empty.
        folder: Of all images; copies have the same paths below ``images/``.
        choices: The best first.
        classes: Names of what a detector finds.
        account: What they were chosen from, a line each.

    Returns:
        The page.

    Raises:
        UserError: If ``out`` holds something.
    """
    refuse_used(out)
    names = [choice.path.relative_to(folder.resolve()).as_posix() for choice in choices]
    shown = []
    for number, (name, choice) in enumerate(zip(names, choices, strict=True)):
        copy = out / 'images' / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(choice.path, copy)
        found = [each for each in choice.seen.found if each['score'] >= _DRAWN]
        image = AnnotatedImage(name, (0, 0), found)
        shown.append(
            dict(
                name=name,
                picture=write_thumbnail(out, number, choice.path, image, classes),
                counts=Counter(each['label'] for each in found),
                doubt=choice.seen.doubt,
            )
        )
    rows = StringIO()
    table = csv.writer(rows, lineterminator='\n')
    table.writerow(['image', 'doubt', 'share'])
    for name, choice in zip(names, choices, strict=True):
        doubt = choice.seen.doubt
        table.writerow([name, '' if doubt is None else f'{doubt:.3f}', f'{choice.share:.5f}'])
    write_whole(out / 'chosen.csv', rows.getvalue())
    title = f'{len(choices)} images to label next'
    return write_page(
        out,
        __package__,
        'choices.html.j2',
        title,
        folder=str(folder),
        account=account,
        images=shown,
        detects=bool(classes),
    )
