"""Large annotated images cut into tiles that are trained on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image
from pycocotools import mask as coco_mask
from rich.progress import track

from mmgreen.errors import UserError
from mmgreen.images import read_array
from mmgreen.tiles import Tiling

from .dataset import AnnotatedImage, Dataset
from .objects import clip_polygon, encode_mask, mask_area

#: Tiles without an object, as a share of those that have some.
_EMPTY = 0.2
#: What shows less of an object than this is neither an object nor background.
_SEEN = 0.5
_LEAST_OVERLAP, _MOST_OVERLAP = 0.1, 0.5
_JPEG = ('.jpg', '.jpeg')

Box = tuple[int, int, int, int]


def choose_tiling(dataset: Dataset, side: int) -> Tiling:
    """Tiles whose neighbours have as much in common as all but a twentieth of the objects are long.

    Args:
        dataset: Divided into splits; training images count.
        side: Side of a tile in pixels.

    Raises:
        UserError: If tiles are too small.
    """
    longest = [
        max(thing['bbox'][2:]) for image in dataset.splits['train'] for thing in image.objects
    ]
    share = float(np.percentile(longest, 95)) / side if longest else 0.0
    return Tiling(side, round(min(max(share, _LEAST_OVERLAP), _MOST_OVERLAP), 2))


def cut_into_tiles(
    dataset: Dataset, splits: tuple[str, ...], tiling: Tiling, out: Path, seed: int = 0
) -> Dataset:
    """Write the tiles of some splits as images, with their annotations.

    Every object that a tile can hold is whole in one: where no tile of the grid has it, one more is cut
    around it. Of what else a tile shows of an object, half and more is an object; less is a crowd, which is
    neither learnt nor punished. Tiles without any object are kept up to a fifth of the others.

    Args:
        dataset: Divided into splits.
        splits: Those to be cut.
        tiling: Side and overlap of tiles.
        out: Folder for them; not there yet.
        seed: Decides which empty tiles are kept.

    Returns:
        The tiles, in the same splits.

    Raises:
        UserError: If ``out`` is there, or an image cannot be read.
    """
    if out.exists():
        raise UserError(f'{out} is there already: remove it, or name another folder (--out)')
    draws = np.random.default_rng(seed)
    tiles = {
        split: _cut(dataset.folder, dataset.splits[split], tiling, out, split, draws)
        for split in splits
    }
    found = sum(map(len, tiles.values()))
    return Dataset(out, dataset.format, tiles, dataset.categories, found=found)


def _cut(
    folder: Path,
    images: list[AnnotatedImage],
    tiling: Tiling,
    out: Path,
    split: str,
    draws: np.random.Generator,
) -> list[AnnotatedImage]:
    wanted = [
        (image, [(box, _inside(image, box)) for box in _boxes(image, tiling)]) for image in images
    ]
    full = sum(bool(things) for _, tiles in wanted for _, things in tiles)
    empty = sum(not things for _, tiles in wanted for _, things in tiles)
    chance = min(1.0, _EMPTY * max(full, 1) / max(empty, 1))
    found = []
    for image, tiles in track(wanted, f'Tiles of {split}'):
        kept = [(box, things) for box, things in tiles if things or draws.random() < chance]
        if not kept:
            continue
        array = read_array(folder / image.name)
        plain = array.dtype == np.uint8 and array.shape[2] in (1, 3, 4)
        for (left, top, right, bottom), things in kept:
            ending = ('.jpg' if image.name.lower().endswith(_JPEG) else '.png') if plain else '.tif'
            name = f'{split}/{image.name.lstrip("/")}/{left}_{top}{ending}'
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            _save(out / name, array[top:bottom, left:right], plain)
            found.append(AnnotatedImage(name, (right - left, bottom - top), things))
    return found


def _save(path: Path, tile: np.ndarray, plain: bool) -> None:
    if not plain:
        tifffile.imwrite(
            path, np.ascontiguousarray(tile), compression='zlib', photometric='minisblack'
        )
    elif tile.shape[2] == 1:
        Image.fromarray(tile[..., 0]).save(path, quality=95)
    else:
        Image.fromarray(np.ascontiguousarray(tile[..., :3])).save(path, quality=95, subsampling=0)


def _boxes(image: AnnotatedImage, tiling: Tiling) -> Iterator[Box]:
    """Tiles of an image: a grid, and one around each object that is whole in none."""
    width, height = image.size
    boxes = tiling.boxes(height, width)
    yield from boxes
    for thing in image.objects:
        x, y, across, down = thing['bbox']
        if thing['iscrowd'] or max(across, down) > tiling.side - 1:
            continue
        if any(_holds(box, thing['bbox']) for box in boxes):
            continue
        left, top = (
            round(min(max(0.0, start + size / 2 - tiling.side / 2), max(0, whole - tiling.side)))
            for start, size, whole in ((x, across, width), (y, down, height))
        )
        boxes.append((left, top, min(left + tiling.side, width), min(top + tiling.side, height)))
        yield boxes[-1]


def _holds(tile: Box, box: list[float]) -> bool:
    left, top, right, bottom = tile
    x, y, across, down = box
    return left <= x and top <= y and x + across <= right and y + down <= bottom


def _inside(image: AnnotatedImage, box: Box) -> list[dict[str, Any]]:
    """What a tile shows of the objects of an image, in its own pixels."""
    found = []
    left, top, right, bottom = box
    size = right - left, bottom - top
    for thing in image.objects:
        x, y, across, down = thing['bbox']
        if x >= right or y >= bottom or x + across <= left or y + down <= top:
            continue
        shown = dict(thing)
        mask = thing.get('segmentation')
        if isinstance(mask, list):
            corners = [np.reshape(line, (-1, 2)) - (left, top) for line in mask]
            lines = [clip_polygon(line, size).ravel().tolist() for line in corners]
            shown['segmentation'] = lines = [line for line in lines if len(line) >= 6]
            if not lines:
                continue
            shown['area'] = mask_area(lines, size)
            points = np.concatenate([np.reshape(line, (-1, 2)) for line in lines])
            low, high = points.min(0), points.max(0)
            shown['bbox'] = [*low.tolist(), *(high - low).tolist()]
        elif mask is not None:
            if isinstance(mask['counts'], list):
                mask = coco_mask.frPyObjects(mask, *mask['size'])
            part = encode_mask(coco_mask.decode(mask)[top:bottom, left:right])
            shown['segmentation'] = part
            shown['area'] = float(coco_mask.area(part))
            shown['bbox'] = coco_mask.toBbox(part).tolist()
        else:
            low_x, low_y = max(x - left, 0), max(y - top, 0)
            shown['bbox'] = [
                low_x,
                low_y,
                min(x + across - left, size[0]) - low_x,
                min(y + down - top, size[1]) - low_y,
            ]
            shown['area'] = shown['bbox'][2] * shown['bbox'][3]
        if min(shown['bbox'][2:]) < 1 or shown['area'] <= 0:
            continue
        if shown['area'] < _SEEN * thing['area']:
            shown['iscrowd'] = 1
        found.append(_as_crowd(shown, size) if shown['iscrowd'] else shown)
    return found


def _as_crowd(thing: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """A crowd's mask is run lengths, as COCO has it."""
    mask = thing.get('segmentation')
    if isinstance(mask, list):
        rle = coco_mask.merge(coco_mask.frPyObjects(mask, size[1], size[0]))
        thing['segmentation'] = dict(rle, counts=rle['counts'].decode())
    return thing
