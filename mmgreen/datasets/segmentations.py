"""Segmentations of COCO, polygons and run lengths, checked many at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmgreen.arrays import Ints

from .faults import Faults

#: No coordinate of a polygon lies so many pixels outside of its image.
_FAR = 10_000


def decode_runs(counts: Sequence[str]) -> tuple[Ints, Ints, list[int]]:
    """Run lengths of compressed masks, many at once.

    COCO's format: a number is written in characters of five bits, lowest first, the
    sixth says that more follow, and the last has the sign; from the fourth number
    on it is the difference to the last but one.

    Args:
        counts: N strings.

    Returns:
        All run lengths in a row; where those of each well-formed string begin, with the end of the
        last one at the end, (M + 1,); and which strings these are, M indices.
    """
    whole = [
        i
        for i, text in enumerate(counts)
        if text and text.isascii() and ord(min(text)) >= 48 and ord(max(text)) < 112
        if not ord(text[-1]) - 48 & 0x20
    ]
    if not whole:
        return np.zeros(0, np.int64), np.zeros(1, np.int64), whole
    lengths = np.array([len(counts[i]) for i in whole])
    characters = np.frombuffer(''.join(counts[i] for i in whole).encode(), np.uint8)
    bits = characters.astype(np.int64) - 48
    ends = (bits & 0x20) == 0
    first = np.flatnonzero(np.concatenate([[True], ends[:-1]]))  # character of each number
    digits = np.diff(np.append(first, len(bits)))
    place = np.minimum(np.arange(len(bits)) - np.repeat(first, digits), 11)  # more overflow anyway
    numbers = np.add.reduceat((bits & 0x1F) << (5 * place), first)
    numbers -= ((bits[ends] & 0x10) > 0) * (np.int64(1) << (5 * np.minimum(digits, 12)))

    begin = np.searchsorted(first, np.concatenate([[0], lengths.cumsum()]))
    index = np.arange(len(numbers)) - np.repeat(begin[:-1], np.diff(begin))
    for parity in (0, 1):  # sums of every second number, from the third or second one of a mask on
        some = np.flatnonzero((index % 2 == parity) & (index > 0))
        total = numbers[some].cumsum()
        start = np.flatnonzero(index[some] <= 2)
        before = np.where(start > 0, total[start - 1], 0)
        numbers[some] = total - np.repeat(before, np.diff(np.append(start, len(some))))
    return numbers, begin, whole


def run_length_sums(counts: Sequence[str]) -> Ints:
    """Pixels that compressed run lengths add up to; -1 where they are malformed or negative.

    Args:
        counts: N strings.

    Returns:
        (N,).
    """
    sums = np.full(len(counts), -1, dtype=np.int64)
    numbers, begin, whole = decode_runs(counts)
    if whole:
        least = np.minimum.reduceat(numbers, begin[:-1])
        sums[whole] = np.where(least < 0, -1, np.add.reduceat(numbers, begin[:-1]))
    return sums


def without_empty_runs(annotations: list[dict[str, Any]]) -> None:
    """Join the runs between which there is no pixel, in place: pycocotools stops at such a one.

    Args:
        annotations: COCO's. What is no run lengths, or malformed, stays as it is.
    """
    masks = [a['segmentation'] for a in annotations if isinstance(a.get('segmentation'), dict)]
    compressed = [mask for mask in masks if isinstance(mask.get('counts'), str)]
    numbers, begin, whole = decode_runs([mask['counts'] for mask in compressed])
    if whole:
        inside = np.ones(len(numbers), bool)
        inside[begin[:-1]] = False  # a mask may begin with none
        owners = np.repeat(np.arange(len(whole)), np.diff(begin))
        for i in np.unique(owners[inside & (numbers == 0)]).tolist():
            compressed[whole[i]]['counts'] = numbers[begin[i] : begin[i + 1]].tolist()
    for mask in masks:
        counts = mask.get('counts')
        if isinstance(counts, list) and any(v == 0 for v in counts[1:]):
            mask['counts'] = _joined(counts)


def _joined(counts: list[int]) -> list[int]:
    joined = counts[:1]
    for i, count in enumerate(counts[1:], 1):
        if count == 0:
            continue
        if i % 2 == len(joined) % 2:
            joined.append(count)
        else:  # of the same kind as the last one
            joined[-1] += count
    return joined


def check_segmentations(
    annotations: list[dict[str, Any]], sizes: dict, ann_file: str, faults: Faults
) -> list[int | str]:
    """Find segmentations that nobody could read: they would end in a traceback, or not at all.

    Args:
        annotations: Annotations of one file.
        sizes: Width and height of the images, by id.
        ann_file: What messages call the file.
        faults: Told of polygons that are no lists of numbers, and of run lengths of
            another size than their image.

    Returns:
        Ids of annotations with polygons of fewer than three points, or of an odd
        number of coordinates, which training leaves out.
    """
    left_out = []
    compressed: list[tuple[dict, str]] = []
    for annotation in annotations:
        mask, number = annotation.get('segmentation'), annotation['id']
        where = f'annotation {number} of {ann_file}'
        if isinstance(mask, list):
            fault = _polygon_fault(mask, sizes[annotation['image_id']])
            if fault:
                faults.add(fault.split(':')[0], number, f'{where} has a polygon that is {fault}')
            elif any(len(polygon) < 6 or len(polygon) % 2 for polygon in mask):
                left_out.append(number)
        elif isinstance(mask, dict):
            width, height = sizes[annotation['image_id']]
            counts = mask.get('counts')
            if mask.get('size') != [height, width]:
                faults.add(
                    'size of run lengths',
                    number,
                    f'{where} has run lengths for {mask.get("size")}, where its image has '
                    f'{[height, width]} (height, width)',
                )
            elif isinstance(counts, str):
                compressed.append((annotation, counts))
            elif isinstance(counts, list) and all(type(value) is int for value in counts):
                _check_sum(
                    sum(counts) if min(counts, default=0) >= 0 else -1,
                    width,
                    height,
                    number,
                    where,
                    faults,
                )
            else:
                faults.add(
                    'kind of run lengths',
                    number,
                    f'{where} has run lengths that are neither text nor whole numbers',
                )
        elif mask is not None:
            faults.add(
                'kind of segmentation',
                number,
                f'{where} has a segmentation that is neither polygons nor run lengths',
            )
    sums = run_length_sums([counts for _, counts in compressed]).tolist()
    for (annotation, _), total in zip(compressed, sums, strict=True):
        where = f'annotation {annotation["id"]} of {ann_file}'
        width, height = sizes[annotation['image_id']]
        _check_sum(total, width, height, annotation['id'], where, faults)
    return left_out


def _polygon_fault(polygons: list, size: tuple[float, float]) -> str:
    """What one of them is; empty where all are lists of numbers."""
    if polygons and not isinstance(polygons[0], list | dict):
        return 'no list of lists: write [[x1, y1, x2, y2, ...]]'
    low, high = -_FAR, _FAR + 10 * max(size)
    for polygon in polygons:
        if not isinstance(polygon, list) or not all(type(v) in (int, float) for v in polygon):
            return f'not made of numbers: {polygon}'
        if not all(low < v < high for v in polygon):  # nor what is no number
            return f'not inside the image, or anywhere near it: {polygon}'
    return ''


def boxes_contradict(annotations: list[dict[str, Any]]) -> list[int | str]:
    """Ids of boxes that are not those of their polygons, where most are not, as x1, y1, x2, y2."""
    others, total = [], 0
    for annotation in annotations:
        polygons = annotation.get('segmentation')
        if not isinstance(polygons, list) or not any(polygons):
            continue
        xs = [x for polygon in polygons for x in polygon[0::2]]
        ys = [y for polygon in polygons for y in polygon[1::2]]
        if not ys:
            continue
        left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
        x, y, width, height = annotation['bbox']
        apart = abs(x - left) + abs(y - top) + abs(x + width - right) + abs(y + height - bottom)
        if apart > 4 + (right - left + bottom - top) / 4:
            others.append(annotation['id'])
        total += 1
    return others if len(others) > total / 2 else []


def _check_sum(
    total: int, width: int, height: int, number: int, where: str, faults: Faults
) -> None:
    if total != width * height:
        why = f'add up to {total} pixels' if total >= 0 else 'cannot be read'
        faults.add(
            'sum of run lengths',
            number,
            f'{where} has run lengths that {why}, where its image has {height} x {width} = '
            f'{width * height}: export the masks again',
        )
