"""Single images: what is there, and what was found."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmgreen.errors import UserError
from mmgreen.evaluation import SURE, ImageCounts
from mmgreen.images import read_image
from mmgreen.report.comparison import PARTS, Comparison
from mmgreen.report.document import Row, Section
from mmgreen.report.examples import draw_example

#: Images of each kind that are shown.
_EXAMPLES = 3
#: Pixels of an image up to which it is drawn.
_DRAWN = 50_000_000


@dataclass(frozen=True)
class Choice:
    """An image to show.

    Attributes:
        image: Its place among the sorted ids.
        runs: Those whose detections are drawn, by number.
        why: What is said of it.
    """

    image: int
    runs: list[int]
    why: str


def describe_images(comparison: Comparison) -> Section:
    """Of one run the images to look at first; of several those that gain and lose most."""
    folder = next((run.images for run in comparison.runs if run.images), None)
    kind = comparison.kinds[-1]  # masks, where there are
    if folder is None:
        text = 'The images are not at hand: name their folder with --images to see them.'
        return Section('Images', text)
    print_log('Report: pictures')
    if len(comparison.runs) > 1:
        title = 'Images that gain and lose most'
        text = (
            f'F1 of an image by itself, of {PARTS[kind]} of the scores named above, which are the ones drawn; mean '
            'over IoU 0.50:0.95.'
        )
        chosen = _that_change(comparison, kind)
    else:
        title = 'Images to look at first'
        text = (
            f'Labels are in doubt where the detector is sure (a score of {SURE} and above) of something without a '
            'label, or of another name: is it right? Then correct the label, and its figures rise. Where labels '
            'are right, more images like these help. At the end those that it does best.'
        )
        chosen = to_look_at(comparison, kind) + _best(comparison, kind)
    return Section(title, text, _draw(comparison, kind, folder, chosen))


def to_look_at(comparison: Comparison, kind: str) -> list[Choice]:
    """Images of the first run whose labels are in doubt, and others where most is wrong."""
    counts = comparison.parts[0][kind].by_image
    doubts = counts.unlabelled + counts.misnamed
    faults = counts.missed + counts.false
    labels = [i for i in np.lexsort((-faults, -doubts))[:_EXAMPLES] if doubts[i]]
    order = [i for i in np.argsort(-faults, kind='stable') if faults[i] and i not in labels]
    return [Choice(int(i), [0], f'Labels? ({_doubts(counts, i)})') for i in labels] + [
        Choice(int(i), [0], f'Detector ({_faults(counts, i)})') for i in order[:_EXAMPLES]
    ]


def _doubts(counts: ImageCounts, image: int) -> str:
    said = [
        f'{number:,} sure detection{"s" * (number > 1)} {what}'
        for number, what in (
            (counts.unlabelled[image], 'without a label'),
            (counts.misnamed[image], 'of another name than the label'),
        )
        if number
    ]
    return ', '.join(said)


def _faults(counts: ImageCounts, image: int) -> str:
    alarms = counts.false[image]
    said = [f'{counts.missed[image]:,} missed'] * bool(counts.missed[image])
    return ', '.join(said + [f'{alarms:,} false alarm{"s" * (alarms > 1)}'] * bool(alarms))


def _best(comparison: Comparison, kind: str) -> list[Choice]:
    f1 = comparison.parts[0][kind].image_f1
    order = np.argsort(-np.nan_to_num(f1, nan=-1), kind='stable')[:_EXAMPLES]
    return [Choice(int(i), [0], f'Best (F1 {f1[i]:.2f})') for i in order if f1[i] > 0]


def _that_change(comparison: Comparison, kind: str) -> list[Choice]:
    parts, chosen = comparison.parts, []
    first = parts[0][kind].image_f1
    for r in range(1, len(parts)):
        gain = np.nan_to_num(parts[r][kind].image_f1) - np.nan_to_num(first)
        order = np.argsort(-gain, kind='stable')
        name = comparison.runs[r].name
        for i in order[:_EXAMPLES][gain[order[:_EXAMPLES]] > 0]:
            chosen.append(Choice(int(i), [0, r], f'{name} gains {gain[i]:.2f}'))
        for i in order[::-1][:_EXAMPLES][gain[order[::-1][:_EXAMPLES]] < 0]:
            chosen.append(Choice(int(i), [0, r], f'{name} loses {-gain[i]:.2f}'))
    return chosen


def _draw(comparison: Comparison, kind: str, folder: Path, chosen: list[Choice]) -> list[Row]:
    runs, truth = comparison.runs, comparison.truth
    image_ids = sorted(truth.imgs)
    wanted = {image_ids[choice.image] for choice in chosen}
    found: list[dict] = []
    for run, part in zip(runs, comparison.parts, strict=True):
        of_image = defaultdict(list)
        for detection in run.detections(kind):
            if detection['image_id'] in wanted and detection['score'] >= part[kind].threshold:
                of_image[detection['image_id']].append(detection)
        found.append(of_image)
    rows = []
    for choice in chosen:
        image_id = image_ids[choice.image]
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
        caption = f'{choice.why}: {file_name}, as labelled'
        pictures = [draw_example(truth, image_id, image, None, caption)]
        for r in choice.runs:
            value = comparison.parts[r][kind].image_f1[choice.image]
            caption = 'no object, none found' if np.isnan(value) else f'F1 {value:.2f}'
            if len(runs) == 1:
                caption = 'as found'
            caption = f'{runs[r].name}: {caption}'
            pictures.append(draw_example(truth, image_id, image, found[r][image_id], caption))
        rows.append(Row(pictures))
    return rows
