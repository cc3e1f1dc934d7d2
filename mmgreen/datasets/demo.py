"""The demo dataset: fruit on textured tables, drawn.

Everything is drawn, nothing is downloaded, and the same seed gives the same
files. Besides the train and val splits with boxes and instance masks there is
an unlabelled split for pre-training.
"""

import json
import shutil
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask
from rich.progress import track

from mmgreen.errors import UserError

CATEGORIES = ('tomato', 'lemon', 'leaf', 'plum', 'carrot')
# Typical hue (OpenCV's 0 to 179), saturation and value of each.
_COLOURS = {
    'tomato': (2, 210, 205),
    'lemon': (26, 200, 235),
    'leaf': (58, 170, 140),
    'plum': (140, 130, 120),
    'carrot': (12, 225, 235),
}
# Half width over half length.
_SLENDERNESS = {'tomato': 0.95, 'lemon': 0.7, 'leaf': 0.48, 'plum': 0.82, 'carrot': 0.32}
_MIN_VISIBLE = 0.35  # an object that is hidden more than this is not kept


def make_demo(
    folder: Path,
    train: int = 16,
    val: int = 160,
    unlabelled: int = 2000,
    size: int = 192,
    seed: int = 0,
) -> bool:
    """Make the demo dataset.

    Args:
        folder: Folder to make; the same dataset already there is kept.
        train: Labelled images to train on.
        val: Labelled images to hold out.
        unlabelled: Images to pre-train on.
        size: Side of an image in pixels.
        seed: Decides everything.

    Returns:
        Whether it was made, and not there already.

    Raises:
        UserError: If something else is in the folder.
    """
    settings = dict(train=train, val=val, unlabelled=unlabelled, size=size, seed=seed)
    done = folder / 'demo.json'
    if done.exists() and json.loads(done.read_text()) == settings:
        return False
    if folder.exists():
        raise UserError(
            f'{folder} exists and is not this demo dataset: remove it, or name another folder'
        )
    partial = folder.with_name(folder.name + '.partial')
    shutil.rmtree(partial, ignore_errors=True)
    (partial / 'annotations').mkdir(parents=True)
    _write_labelled(partial, 'train', train, size, seed)
    _write_labelled(partial, 'val', val, size, seed)
    _write_unlabelled(partial, unlabelled, size, seed)
    (partial / 'demo.json').write_text(json.dumps(settings))
    partial.rename(folder)
    return True


def _noise(rng: np.random.Generator, size: int, octaves: tuple[int, ...]) -> np.ndarray:
    """Smooth noise of several scales, (size, size) float32, about -1 to 1."""
    out = np.zeros((size, size), np.float32)
    for cells in octaves:
        grid = rng.standard_normal((cells, cells)).astype(np.float32)
        out += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) / cells**0.5
    return out / max(np.abs(out).max(), 1e-6)


def _background(rng: np.random.Generator, size: int) -> np.ndarray:
    """A table of wood, cloth or stone under uneven light, (size, size, 3) float32 BGR."""
    tone = rng.uniform((40, 50, 60), (170, 180, 190)).astype(np.float32)
    kind = rng.integers(3)
    ys, xs = np.mgrid[:size, :size].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    along = xs * np.cos(angle) + ys * np.sin(angle)
    across = ys * np.cos(angle) - xs * np.sin(angle)
    rough = _noise(rng, size, (4, 9, 21))
    if kind == 0:  # wood: grain bent by noise
        texture = np.sin(across * rng.uniform(0.15, 0.4) + 5 * rough + 0.02 * along)
    elif kind == 1:  # cloth: two crossing weaves
        pitch = rng.uniform(0.5, 1.1)
        texture = np.sin(along * pitch) * np.sin(across * pitch) + 0.5 * rough
    else:  # stone
        texture = _noise(rng, size, (7, 15, 40, 80)) * 1.6
    light = 1 + 0.35 * _noise(rng, size, (2, 3))
    image = (tone + 22 * texture[..., None] + 10 * rough[..., None]) * light[..., None]
    return image + rng.normal(0, 4, image.shape)


def _outline(rng: np.random.Generator, kind: str, length: float) -> np.ndarray:
    """Polygon of an object about its centre, (points, 2) float32, in pixels."""
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    half = _SLENDERNESS[kind] * rng.uniform(0.9, 1.1)
    x, y = np.cos(t), half * np.sin(t)
    if kind == 'lemon':
        x = np.sign(x) * np.abs(x) ** 0.7 * (1 + 0.12 * (np.abs(np.cos(t)) > 0.97))
    elif kind == 'leaf':
        y = half * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 1.6
    elif kind == 'carrot':
        y = half * np.sin(t) * (1.15 + 0.85 * np.cos(t)) / 1.5
    elif kind == 'tomato':
        r = 1 + 0.04 * np.sin(5 * t)
        x, y = x * r, y * r
    angle = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (np.stack([x, y], 1) @ rotation.T * length).astype(np.float32)


def _paint(
    rng: np.random.Generator, image: np.ndarray, kind: str, centre: np.ndarray, length: float
) -> np.ndarray:
    """Draw one object with its shadow onto ``image``; returns its full mask."""
    size = len(image)
    points = _outline(rng, kind, length) + centre
    fixed = np.round(points * 16).astype(np.int32)  # 4 fractional bits
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [fixed], 1, shift=4)

    cast = np.zeros((size, size), np.float32)
    cv2.fillPoly(cast, [fixed + int(length * 16 * 0.14)], 1.0, shift=4)
    shadow = cv2.GaussianBlur(cast, (0, 0), max(1.0, length * 0.12))
    image *= 1 - 0.45 * shadow[..., None]

    hue, saturation, value = np.array(_COLOURS[kind]) + rng.normal(0, (3, 14, 14))
    hsv = np.array([[[hue % 180, np.clip(saturation, 60, 255), np.clip(value, 60, 255)]]])
    colour = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32)

    # Rounded shading from the distance to the outline, light from the upper left.
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    depth = np.sqrt(np.clip(depth / max(depth.max(), 1), 0, 1))
    ys, xs = np.mgrid[:size, :size].astype(np.float32)
    towards = -((xs - centre[0]) + (ys - centre[1])) / (2 * length)
    shade = 0.5 + 0.45 * depth + 0.25 * towards
    skin = _noise(rng, size, (12, 40))
    if kind == 'leaf':  # veins along the axis
        axis = points[0] - points[24]
        axis = axis / max(np.linalg.norm(axis), 1e-6)
        off = np.abs((xs - centre[0]) * axis[1] - (ys - centre[1]) * axis[0])
        shade = shade + 0.25 * (off < max(1.0, 0.05 * length))
    elif kind == 'carrot':  # rings across it
        axis = points[0] - points[24]
        axis = axis / max(np.linalg.norm(axis), 1e-6)
        run = (xs - centre[0]) * axis[0] + (ys - centre[1]) * axis[1]
        shade = shade + 0.1 * np.sin(run * 14 / length)
    gloss = 0 if kind in ('leaf', 'carrot') else 110
    spot = np.exp(-(((xs - centre[0] + 0.3 * length) ** 2) + (ys - centre[1] + 0.3 * length) ** 2)
                  / (0.03 * length**2))  # fmt: skip
    body = colour * (shade + 0.1 * skin)[..., None] + gloss * spot[..., None]

    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.6)[..., None]
    image[:] = image * (1 - soft) + body * soft
    return mask.astype(bool)


def _scene(rng: np.random.Generator, size: int) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """One picture and its (category, visible mask) pairs."""
    image = _background(rng, size)
    crowded = rng.random() < 0.25
    count = rng.integers(7, 13) if crowded else rng.integers(1, 6)
    heart = rng.uniform(0.3, 0.7, 2) * size
    objects: list[tuple[str, np.ndarray]] = []
    full: list[int] = []
    for _ in range(count):
        kind = CATEGORIES[rng.integers(len(CATEGORIES))]
        length = size * (rng.uniform(0.08, 0.13) if crowded else rng.uniform(0.11, 0.23))
        if crowded:  # a heap, one on the other
            centre = heart + rng.normal(0, 0.17 * size, 2)
        else:
            centre = rng.uniform(0.08, 0.92, 2) * size
        mask = _paint(rng, image, kind, centre.astype(np.float32), length)
        objects = [(name, seen & ~mask) for name, seen in objects]
        objects.append((kind, mask))
        full.append(max(int(mask.sum()), 1))
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.8))
    image = np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
    kept = [
        pair
        for pair, area in zip(objects, full, strict=True)
        if pair[1].sum() >= max(_MIN_VISIBLE * area, 40)
    ]
    return image, kept


def _annotate(mask: np.ndarray, crowd: bool) -> dict | None:
    """COCO's segmentation, box and area of a mask; run lengths for a crowd."""
    segmentation: dict | list
    if crowd:  # run lengths by columns, the first of them of zeros
        column_wise = np.concatenate([[False], mask.T.ravel()])
        edges = np.flatnonzero(column_wise[1:] != column_wise[:-1])
        runs = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
        segmentation = dict(size=list(mask.shape), counts=runs)
        encoded = coco_mask.frPyObjects(segmentation, *mask.shape)
    else:
        contours, _ = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        # COCO's polygons run between pixels, whose centres lie at one half.
        segmentation = [(c.ravel() + 0.5).tolist() for c in contours if len(c) >= 3]
        if not segmentation:
            return None
        encoded = coco_mask.merge(coco_mask.frPyObjects(segmentation, *mask.shape))
    # Box and area are those of what the segmentation says.
    area = float(coco_mask.area(encoded))
    box = coco_mask.toBbox(encoded).tolist()
    return (
        dict(segmentation=segmentation, bbox=box, area=area, iscrowd=int(crowd)) if area else None
    )


def _write_labelled(folder: Path, split: str, count: int, size: int, seed: int) -> None:
    """Pictures and the annotation file of one split."""
    images: list[dict] = []
    annotations: list[dict] = []
    (folder / split).mkdir()
    for i in track(range(count), split):
        rng = np.random.default_rng([seed, zlib.crc32(split.encode()), i])
        picture, objects = _scene(rng, size)
        name = f'{i:06d}.jpg'
        cv2.imwrite(str(folder / split / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
        images.append(dict(id=i + 1, file_name=name, width=size, height=size))
        crowds = []
        if len(objects) >= 9:  # the last of a heap are annotated as one crowd region
            kind = objects[-1][0]
            crowds = [pair for pair in objects if pair[0] == kind]
            objects = [pair for pair in objects if pair[0] != kind]
        entries = [(kind, _annotate(mask, crowd=False)) for kind, mask in objects]
        if len(crowds) > 1:
            union = np.any([mask for _, mask in crowds], axis=0)
            entries.append((crowds[0][0], _annotate(union, crowd=True)))
        else:
            entries += [(kind, _annotate(mask, crowd=False)) for kind, mask in crowds]
        for kind, entry in entries:
            if entry is not None:
                number = len(annotations) + 1
                category = CATEGORIES.index(kind) + 1
                annotations.append(dict(entry, id=number, image_id=i + 1, category_id=category))
    content = dict(
        info=dict(description='mmgreen demo: fruit on tables', seed=seed),
        images=images,
        annotations=annotations,
        categories=[
            dict(id=i + 1, name=name, supercategory='food') for i, name in enumerate(CATEGORIES)
        ],
    )
    (folder / 'annotations' / f'{split}.json').write_text(json.dumps(content))


def _write_unlabelled(folder: Path, count: int, size: int, seed: int) -> None:
    """Pictures for pre-training."""
    (folder / 'unlabelled').mkdir()
    write = partial(_write_picture, folder / 'unlabelled', size, seed)
    with ProcessPoolExecutor() as pool:
        for _ in track(pool.map(write, range(count), chunksize=16), 'unlabelled', total=count):
            pass


def _write_picture(folder: Path, size: int, seed: int, i: int) -> None:
    rng = np.random.default_rng([seed, zlib.crc32(b'unlabelled'), i])
    picture, _ = _scene(rng, size)
    cv2.imwrite(str(folder / f'{i:06d}.jpg'), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
