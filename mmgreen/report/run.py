"""Runs to report on: from work dirs, or from result files and annotations."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faster_coco_eval import COCO

from mmgreen.engine import RECORD
from mmgreen.errors import UserError
from mmgreen.evaluation import CocoTruth

_SHAPES = dict(bbox='bbox', segm='segmentation')


@dataclass(frozen=True)
class Run:
    """One test of one detector.

    Attributes:
        name: What the report calls it.
        annotations: COCO annotation file.
        results: Result file of ``'bbox'``, ``'segm'``, or both.
        images: Folder of the images; None where it is not known.
        record: ``run.json`` of the test; empty where there is none.
    """

    name: str
    annotations: Path
    results: dict[str, Path]
    images: Path | None = None
    record: dict = field(default_factory=dict)

    def detections(self, iou_type: str) -> list[dict]:
        """Read the results: what counts of them, so without the masks where boxes are wanted.

        Raises:
            UserError: If the file does not hold COCO results.
        """
        path = self.results[iou_type]
        found = _read_results(path)
        needed = ('image_id', 'category_id', 'score', _SHAPES[iou_type])
        for i, entry in enumerate(found):
            lacks = [key for key in needed if not isinstance(entry, dict) or key not in entry]
            if lacks:
                raise UserError(f"entry {i} of the results {path} lacks '{lacks[0]}'")
            if not _is_sound(entry, iou_type):
                raise UserError(
                    f'entry {i} of the results {path} is not a detection by COCO: numbers or texts as '
                    'ids, a score, and four numbers as box or a mask as compressed RLE'
                )
            found[i] = {key: entry[key] for key in (*needed, 'bbox') if key in entry}
        return found


def read_record(log_dir: Path) -> dict:
    """The record of a run's log folder; empty where there is none, or it is torn."""
    try:
        record = json.loads((log_dir / RECORD).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def records_below(folder: Path, mode: str) -> list[tuple[Path, dict]]:
    """Log folders in a work dir and their records, of training or testing, oldest first."""
    candidates = [folder, *(path.parent for path in folder.glob(f'*/{RECORD}'))]
    found = [(path, record) for path in candidates if (record := read_record(path))]
    return sorted(
        ((path, record) for path, record in found if record.get('mode') == mode),
        key=lambda pair: str(pair[1].get('started')),
    )


def read_run(
    path: Path, name: str, ann_file: Path | None = None, images: Path | None = None
) -> Run:
    """A run from a work dir, the log folder of a test, or a result file.

    Args:
        path: A folder, of which the newest test is taken, or a JSON file of
            COCO results.
        name: What the report calls it.
        ann_file: Annotation file; needed for a result file.
        images: Folder of the images; by default the one that was tested on.

    Raises:
        UserError: If there is nothing to report on.
    """
    if path.is_dir():
        tests = [
            (folder, record, results)
            for folder, record in records_below(path, 'test')
            if (results := _results_in(folder))
        ]
        if not tests:
            raise UserError(
                f'{path} holds no COCO test: run mmgreen test with --work-dir {path}, or name a '
                'result file and --ann-file'
            )
        folder, record, results = tests[-1]
        ann_file = ann_file or Path(record.get('annotations', ''))
        images = images or Path(record.get('images_folder', ''))
    elif not path.is_file():
        raise UserError(f'{path} does not exist')
    elif path.suffix in ('.pkl', '.pickle'):
        raise UserError(
            f'{path} holds pickled objects, which can run code when they are read: name the '
            'results that mmgreen test wrote as JSON, detections.bbox.json or detections.segm.json'
        )
    else:
        if ann_file is None:
            raise UserError(f'{path} is a result file: name its annotations with --ann-file')
        found = _read_results(path)
        first = found[0] if found else dict(bbox=None)
        keys = first if isinstance(first, dict) else ()
        results = {kind: path for kind, key in _SHAPES.items() if key in keys}
        if not results:
            raise UserError(f"entry 0 of the results {path} has neither 'bbox' nor 'segmentation'")
        record = {}
    if not ann_file.is_file():
        raise UserError(
            f'annotation file {ann_file} of {path} does not exist: name it with --ann-file'
        )
    return Run(name, ann_file, results, images if images and images.is_dir() else None, record)


def _results_in(folder: Path) -> dict[str, Path]:
    paths = {kind: folder / f'detections.{kind}.json' for kind in _SHAPES}
    return {kind: path for kind, path in paths.items() if path.is_file()}


def _is_sound(entry: dict, iou_type: str) -> bool:
    if not all(isinstance(entry[key], int | str) for key in ('image_id', 'category_id')):
        return False
    numbers = [entry['score']]
    if iou_type == 'segm':
        shape = entry['segmentation']
        if not isinstance(shape, dict) or not isinstance(shape.get('counts'), str):
            return False
        numbers += shape.get('size') or [None]
    else:
        box = entry['bbox']
        if not isinstance(box, list) or len(box) != 4:
            return False
        numbers += box
    return all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)


def _read_results(path: Path) -> list:
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise UserError(f'result file {path} is not JSON: {error}') from error
    if not isinstance(found, list):
        raise UserError(f'result file {path} holds no list of detections, as COCO results do')
    return found


def read_truth(runs: Sequence[Run]) -> COCO:
    """The annotations that all runs were tested on.

    Raises:
        UserError: If annotations cannot be read, runs were tested on different
            images, objects or categories, or results are of other images.
    """
    from mmgreen.datasets.annotations import read_annotations
    from mmgreen.datasets.coco_file import load_coco  # mmdet is slow to import

    truths: dict[tuple, COCO] = {}
    for run in runs:
        path, tested = key = _tested(run)
        if key not in truths:
            read_annotations(str(path))  # says what is wrong with it
            truths[key] = _part(CocoTruth(load_coco(str(path))), tested)
    first, truth = runs[0], truths[_tested(runs[0])]
    for run in runs[1:]:
        other = truths[_tested(run)]
        for words, index in (('images', 'imgs'), ('categories', 'cats'), ('objects', 'anns')):
            mine, its = set(getattr(truth, index)), set(getattr(other, index))
            if mine != its:
                raise UserError(
                    f'{first.name} and {run.name} were tested on different {words}, so they cannot '
                    f'be compared: {len(mine - its)} only in {first.annotations}, '
                    f'{len(its - mine)} only in {run.annotations}'
                )
        names = [set(r.record.get('categories') or []) for r in (first, run)]
        if all(names) and names[0] != names[1]:
            raise UserError(
                f'{first.name} and {run.name} were tested on different categories, so they cannot '
                'be compared'
            )
    return truth


def _tested(run: Run) -> tuple[Path, tuple[int, ...] | None]:
    """A run's annotation file, and the images of it that were tested, if not all."""
    ids = run.record.get('image_ids')
    return run.annotations.resolve(), tuple(ids) if ids else None


def _part(truth: COCO, image_ids: tuple[int, ...] | None) -> COCO:
    if image_ids is None:
        return truth
    kept = set(image_ids)
    content = truth.dataset
    images = [image for image in content['images'] if image['id'] in kept]
    annotations = [a for a in content['annotations'] if a['image_id'] in kept]
    return CocoTruth(dict(content, images=images, annotations=annotations))


def check_results(run: Run, detections: list[dict], truth: COCO) -> None:
    """Refuse results of other images or categories than the annotations have.

    Raises:
        UserError: If there are any.
    """
    for key, known in (('image_id', truth.imgs), ('category_id', truth.cats)):
        strange = {found[key] for found in detections} - set(known)
        if strange:
            raise UserError(
                f'results of {run.name} are of another dataset than {run.annotations}: '
                f'{len(strange)} values of {key} are not in it (such as {min(strange)})'
            )
