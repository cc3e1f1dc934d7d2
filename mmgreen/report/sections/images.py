"""Single images: what is there, and what was found."""

from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmgreen.errors import UserError
from mmgreen.images import read_image
from mmgreen.report.comparison import PARTS, SCORE, Comparison
from mmgreen.report.document import Row, Section
from mmgreen.report.examples import draw_example

#: Images that gain most, and as many that lose most.
_EXAMPLES = 3
#: Pixels of an image up to which it is drawn.
_DRAWN = 50_000_000


def describe_images(comparison: Comparison) -> Section:
    """Images that gain and lose most; of one run, its worst and best."""
    folder = next((run.images for run in comparison.runs if run.images), None)
    kind = comparison.kinds[-1]  # masks, where there are
    if folder is None:
        text = 'The images are not at hand: name their folder with --images to see them.'
        return Section('Images', text)
    print_log('Report: pictures')
    title = 'Best and worst images'
    if len(comparison.runs) > 1:
        title = 'Images that gain and lose most'
    measure = (
        f'F1 of an image by itself, of {PARTS[kind]} with a score of {SCORE} and above, which are '
        'the ones drawn; mean over IoU 0.50:0.95.'
    )
    return Section(title, measure, _draw(comparison, kind, folder))


def _choose(comparison: Comparison, kind: str) -> list[tuple[int, list[int], str]]:
    """Images, the runs to draw for each, and what is said of it."""
    parts = comparison.parts
    first = parts[0][kind].image_f1
    if len(parts) == 1:
        order = np.argsort(first, kind='stable')
        order = order[np.isfinite(first[order])]
        best = order[::-1][:_EXAMPLES]
        worst = [i for i in order[:_EXAMPLES] if i not in best]
        return [(i, [0], 'Best') for i in best] + [(i, [0], 'Worst') for i in worst]
    chosen = []
    for r in range(1, len(parts)):
        gain = np.nan_to_num(parts[r][kind].image_f1) - np.nan_to_num(first)
        order = np.argsort(-gain, kind='stable')
        name = comparison.runs[r].name
        for i in order[:_EXAMPLES][gain[order[:_EXAMPLES]] > 0]:
            chosen.append((i, [0, r], f'{name} gains {gain[i]:.2f}'))
        for i in order[::-1][:_EXAMPLES][gain[order[::-1][:_EXAMPLES]] < 0]:
            chosen.append((i, [0, r], f'{name} loses {-gain[i]:.2f}'))
    return chosen


def _draw(comparison: Comparison, kind: str, folder: Path) -> list[Row]:
    runs, truth = comparison.runs, comparison.truth
    chosen = _choose(comparison, kind)
    image_ids = sorted(truth.imgs)
    wanted = {image_ids[i] for i, _, _ in chosen}
    detections = [
        [found for found in run.detections(kind) if found['image_id'] in wanted] for run in runs
    ]
    rows = []
    for i, those, what in chosen:
        image_id = image_ids[i]
        entry = truth.imgs[image_id]
        file_name = entry['file_name']
        if entry['height'] * entry['width'] > _DRAWN:
            print_log(f'Report: not drawn: {file_name} is too large')
            continue
        try:
            image = read_image(folder / file_name)
        except UserError as error:
            print_log(f'Report: not drawn: {error}')
            continue
        caption = f'{what}: {file_name}, ground truth'
        pictures = [draw_example(truth, image_id, image, None, caption)]
        for r in those:
            value = comparison.parts[r][kind].image_f1[i]
            caption = 'no object, none found' if np.isnan(value) else f'F1 {value:.2f}'
            caption = f'{runs[r].name}: {caption}'
            pictures.append(draw_example(truth, image_id, image, detections[r], caption))
        rows.append(Row(pictures))
    return rows
