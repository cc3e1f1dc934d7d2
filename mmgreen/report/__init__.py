"""Reports that people can show: HTML, Markdown and JSON from the folders of runs."""

from collections.abc import Sequence
from pathlib import Path

from mmgreen.errors import UserError

from .detection import detection_report
from .pretraining import pretraining_report
from .provenance import training_in
from .run import read_run, records_below

__all__ = ['write_report']


def write_report(
    runs: Sequence[str | Path],
    out: str | Path,
    names: Sequence[str] | None = None,
    ann_file: str | Path | None = None,
    images: str | Path | None = None,
) -> Path:
    """Write ``report.html``, ``report.md`` and ``report.json``.

    Args:
        runs: Work dirs of tests, or files of COCO results; tested on the same
            images. Or one work dir of pre-training.
        out: Folder to write into.
        names: What the report calls them; by default their folders' names. Runs of one name
            are a group: the seeds of one training, in the same order in every group.
        ann_file: Annotation file of result files.
        images: Folder of the images, for pictures; by default the one that was
            tested on.

    Returns:
        The HTML file.

    Raises:
        UserError: If there is nothing to report on, runs cannot be compared, or
            a file is not sound.
    """
    paths = [Path(run) for run in runs]
    names = list(names) if names else _names(paths)
    if len(names) != len(paths):
        raise UserError(f'{len(paths)} runs need as many names, not {", ".join(names)}')
    if len(paths) == 1 and paths[0].is_dir() and not records_below(paths[0], 'test'):
        training = training_in(paths[0])
        if training is not None and training.is_pretraining:
            return pretraining_report(training, names[0]).write(Path(out))
    read = [
        read_run(path, name, Path(ann_file) if ann_file else None, Path(images) if images else None)
        for path, name in zip(paths, names, strict=True)
    ]
    return detection_report(read).write(Path(out))


def _names(paths: Sequence[Path]) -> list[str]:
    """The last parts of paths, as many as tell them apart; of a log folder, its work dir's."""
    resolved = [path.resolve() for path in paths]
    resolved = [
        path.parent
        if (path / 'vis_data').is_dir()
        else path.with_name(path.name.removesuffix('.json').removesuffix('.segm'))
        for path in resolved
    ]
    for length in range(1, 1 + max(len(path.parts) for path in resolved)):
        names = ['/'.join(path.parts[-length:]) for path in resolved]
        if len(set(names)) == len(names):
            break
    return names
