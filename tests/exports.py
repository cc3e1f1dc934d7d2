"""The same few annotated images as different programs export them."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

SIZE = (64, 48)
NAMES = ('bolt', 'nut')


@dataclass
class Truth:
    """Outlines by image, and the split that each image is said to be of."""

    objects: dict[str, list[tuple[str, list[float]]]] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)


def draw(
    images: int = 12, seed: int = 0, ending: str = 'jpg'
) -> tuple[Truth, dict[str, Image.Image]]:
    """Triangles and rectangles on noise; the last image is empty, and every third for validation."""
    rng = np.random.default_rng(seed)
    truth, pictures = Truth(), {}
    for i in range(images):
        name = f'p{i:02}.{ending}'
        noise = rng.integers(0, 120, (6, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(noise).resize(SIZE, Image.Resampling.NEAREST)
        things = []
        for k in range(0 if i == images - 1 else 2):
            left, top = 4 + 30 * k + int(rng.integers(4)), int(rng.integers(4, 20))
            right, bottom = left + int(rng.integers(14, 24)), top + int(rng.integers(14, 24))
            outline = [left, top, right, top, right, bottom, left, bottom]
            if (i + k) % 2:
                outline = [left, bottom, right, bottom, left, top]
            label = NAMES[(i + k) % 2]
            ImageDraw.Draw(picture).polygon(outline, fill='orange' if label == 'bolt' else 'cyan')
            things.append((label, [float(v) for v in outline]))
        truth.objects[name], pictures[name] = things, picture
        truth.splits[name] = 'val' if i % 3 == 2 else 'train'
    return truth, pictures


def coco(truth: Truth, names: list[str], prefix: str = '', crowds: bool = False) -> dict:
    """A COCO file; with ``crowds`` as CVAT writes brush strokes."""
    images, annotations = [], []
    for i, name in enumerate(names, 1):
        images.append(dict(id=i, file_name=prefix + name, width=SIZE[0], height=SIZE[1]))
        for label, outline in truth.objects[name]:
            rle = coco_mask.merge(coco_mask.frPyObjects([outline], SIZE[1], SIZE[0]))
            box, area = coco_mask.toBbox(rle).tolist(), float(coco_mask.area(rle))
            rle['counts'] = rle['counts'].decode()
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i,
                    category_id=NAMES.index(label) + 1,
                    bbox=box,
                    area=area,
                    iscrowd=int(crowds),
                    segmentation=rle if crowds else [outline],
                )
            )
    categories = [dict(id=i, name=name, supercategory='') for i, name in enumerate(NAMES, 1)]
    return dict(images=images, annotations=annotations, categories=categories)


def _save(folder: Path, pictures: dict, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name.endswith('.tif'):  # grey, 12 bits of 16
            values = np.asarray(pictures[name].convert('L')).astype(np.uint16) * 15
            tifffile.imwrite(folder / name, values)
        elif name.endswith('.npy'):  # five channels, each its own mixture of the colours
            colours = np.asarray(pictures[name]).astype(np.float32) / 255
            np.save(folder / name, colours @ np.linspace(0, 1, 15, dtype=np.float32).reshape(3, 5))
        else:
            pictures[name].save(folder / name)


def _dump(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def in_studio(label: str, outline: list[float]) -> dict:
    """A polygon as Label Studio has it, in per cent."""
    points = (np.reshape(outline, (-1, 2)) * 100 / SIZE).tolist()
    return dict(
        type='polygonlabels',
        original_width=SIZE[0],
        original_height=SIZE[1],
        value=dict(points=points, polygonlabels=[label]),
    )


def export(layout: str, folder: Path, **kwargs) -> Truth:
    """Write the images and their annotations in a layout, and say what they are."""
    truth, pictures = draw(**kwargs)
    names = list(pictures)
    by_split = {s: [n for n in names if truth.splits[n] == s] for s in ('train', 'val')}
    if layout == 'coco':
        for split, some in by_split.items():
            _save(folder / f'{split}2017', pictures, some)
            path = folder / f'annotations/instances_{split}2017.json'
            _dump(path, coco(truth, some))
    elif layout in ('cvat', 'cvat brush'):
        _save(folder / 'images/default', pictures, names)
        path = folder / 'annotations/instances_default.json'
        _dump(path, coco(truth, names, crowds='brush' in layout))
    elif layout == 'datumaro':
        for split, subset in (('train', 'Train'), ('val', 'Validation')):
            _save(folder / 'images' / subset, pictures, by_split[split])
            path = folder / f'annotations/instances_{subset}.json'
            _dump(path, coco(truth, by_split[split]))
    elif layout == 'roboflow':
        for split, part in (('train', 'train'), ('val', 'valid')):
            _save(folder / part, pictures, by_split[split])
            content = coco(truth, by_split[split])
            for category in content['categories']:
                category['supercategory'] = 'parts'
            content['categories'].insert(0, dict(id=0, name='parts', supercategory='none'))
            _dump(folder / part / '_annotations.coco.json', content)
    elif layout == 'label studio':
        _save(folder / 'images', pictures, names)
        content = coco(truth, names, prefix='../../label-studio/data/media/upload/1/')
        _dump(folder / 'result.json', content)
    elif layout == 'label studio tasks':
        _save(folder / 'images', pictures, names)
        tasks = [
            dict(
                id=number,
                data=dict(image=f'/data/upload/1/{number:08x}-{name}'),
                annotations=[
                    dict(was_cancelled=True, result=[]),
                    dict(was_cancelled=False, result=[in_studio(*o) for o in truth.objects[name]]),
                ],
            )
            for number, name in enumerate(names)
        ]
        tasks.append(dict(id=99, data=dict(image='/data/upload/1/later.jpg'), annotations=[]))
        _dump(folder / 'project-1.json', tasks)
    elif layout == 'labelme':
        _save(folder, pictures, names)
        for name in names:
            shapes = [
                dict(
                    label=label,
                    points=np.reshape(outline, (-1, 2)).tolist(),
                    shape_type='polygon',
                    group_id=None,
                )
                for label, outline in truth.objects[name]
            ]
            content = dict(shapes=shapes, imagePath=name, imageWidth=SIZE[0], imageHeight=SIZE[1])
            _dump((folder / name).with_suffix('.json'), content)
    elif layout == 'voc':
        _save(folder / 'JPEGImages', pictures, names)
        for name in names:
            entries = ''.join(
                f'<object><name>{label}</name><bndbox><xmin>{min(o[::2]) + 1}</xmin><ymin>'
                f'{min(o[1::2]) + 1}</ymin><xmax>{max(o[::2])}</xmax><ymax>{max(o[1::2])}</ymax>'
                '</bndbox></object>'
                for label, o in truth.objects[name]
            )
            path = folder / 'Annotations' / f'{Path(name).stem}.xml'
            path.parent.mkdir(exist_ok=True)
            path.write_text(f'<annotation>{entries}</annotation>')
        lists = folder / 'ImageSets/Main'
        lists.mkdir(parents=True)
        for split, some in by_split.items():
            (lists / f'{split}.txt').write_text(''.join(f'{Path(n).stem}\n' for n in some))
    elif layout in ('yolo', 'yolo boxes'):
        for split, some in by_split.items():
            _save(folder / 'images' / split, pictures, some)
            labels = folder / 'labels' / split
            labels.mkdir(parents=True)
            for name in (n for n in some if truth.objects[n]):  # empty images have no file
                lines = ''
                for label, outline in truth.objects[name]:
                    shares = np.reshape(outline, (-1, 2)) / SIZE
                    if 'boxes' in layout:
                        low, high = shares.min(0), shares.max(0)
                        shares = np.stack([(low + high) / 2, high - low])
                    words = ' '.join(f'{v:.6f}' for v in shares.ravel())
                    lines += f'{NAMES.index(label)} {words}\n'
                (labels / f'{Path(name).stem}.txt').write_text(lines)
        (folder / 'data.yaml').write_text(f'names: {list(NAMES)}\ntrain: images/train\n')
    elif layout == 'images':
        _save(folder / 'a', pictures, names[::2])
        _save(folder / 'b', pictures, names[1::2])
    elif layout == 'class folders':
        for split, some in by_split.items():
            for k, name in enumerate(NAMES):
                _save(folder / split / name, pictures, some[k::2])
    else:
        raise ValueError(layout)
    return truth
