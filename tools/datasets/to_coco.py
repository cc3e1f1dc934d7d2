#!/usr/bin/env python
"""Convert images annotated in LabelMe or Pascal VOC to a COCO annotation file.

The annotation of an image is the .json (LabelMe) or .xml (VOC) file of its name,
beside it or below --annotations. LabelMe's polygons, rectangles, circles and masks
become instance masks; shapes of one label and group_id are one instance. VOC has
boxes alone, and its difficult objects become crowd regions, which training and
evaluation ignore. Images without an annotation file are left out.
"""

import argparse
import base64
import binascii
import io
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageOps
from pycocotools import mask as coco_mask

import mmgreen  # noqa: F401
from mmgreen.datasets.annotations import read_annotations
from mmgreen.datasets.folders import EXTENSIONS
from mmgreen.errors import UserError, one_sentence
from mmgreen.files import write_whole

#: Corners of the polygon that stands for a circle.
CIRCLE_CORNERS = 64


def find_pairs(images: Path, annotations: Path) -> tuple[list[tuple[Path, Path]], int]:
    """Images with their annotation files, and the number of images without one."""
    pairs, without = [], 0
    for image in sorted(images.rglob('*')):
        if not image.name.lower().endswith(EXTENSIONS):
            continue
        stem = (annotations / image.relative_to(images)).with_suffix('')
        found = [
            p for p in (stem.parent / f'{stem.name}{e}' for e in ('.json', '.xml')) if p.exists()
        ]
        if len(found) > 1:
            raise UserError(f'{image} has two annotation files, {found[0]} and {found[1]}')
        if found:
            pairs.append((image, found[0]))
        else:
            without += 1
    return pairs, without


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, as the image is shown."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).size
    except OSError as error:
        raise UserError(f'image {path} cannot be read ({error}): replace it') from error


def check_size(said: tuple, size: tuple[int, int], path: Path) -> None:
    if any(said) and tuple(said) != size:
        raise UserError(
            f'{path} is for an image of {said[0]}x{said[1]} pixels, but the image has '
            f'{size[0]}x{size[1]}'
        )


def labelme_polygon(shape: dict) -> list[float] | None:
    """The outline of a LabelMe shape, x and y in turn; ``None`` where it has no area."""
    points = np.asarray(shape['points'], float)
    kind = shape.get('shape_type') or 'polygon'
    if kind == 'rectangle':
        (x0, y0), (x1, y1) = points
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    elif kind == 'circle':
        centre, edge = points
        angles = np.linspace(0, 2 * np.pi, CIRCLE_CORNERS, endpoint=False)
        radius = np.linalg.norm(edge - centre)
        points = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    elif kind != 'polygon':
        return None
    return points.ravel().tolist() if len(points) >= 3 else None


def labelme_mask(shape: dict, size: tuple[int, int]) -> dict:
    """Run lengths of a LabelMe mask, a small PNG at the upper left corner of its box."""
    patch = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape['mask'])))).astype(bool)
    left, top = (int(v) for v in shape['points'][0])
    whole = np.zeros((size[1], size[0]), np.uint8, order='F')
    target = whole[top : top + patch.shape[0], left : left + patch.shape[1]]
    target[:] = patch[: target.shape[0], : target.shape[1]]
    return coco_mask.encode(whole)


def read_labelme(path: Path, size: tuple[int, int], left_out: Counter) -> Iterator[dict]:
    """Instances of a LabelMe file: label and segmentation."""
    content = json.loads(path.read_text(encoding='utf-8'))
    check_size((content.get('imageWidth'), content.get('imageHeight')), size, path)
    groups = defaultdict(list)
    for i, shape in enumerate(content['shapes']):
        group = shape.get('group_id')
        # Without a group every shape is an instance of its own.
        groups[shape['label'], ('alone', i) if group is None else group].append(shape)
    for (label, _), shapes in groups.items():
        polygons, masks = [], []
        for shape in shapes:
            if shape.get('shape_type') == 'mask':
                masks.append(labelme_mask(shape, size))
            elif (polygon := labelme_polygon(shape)) is None:
                left_out[f'shapes of type {shape.get("shape_type")}'] += 1
            else:
                polygons.append(polygon)
        if masks:
            masks += coco_mask.frPyObjects(polygons, size[1], size[0]) if polygons else []
            rle = coco_mask.merge(masks)
            rle['counts'] = rle['counts'].decode()
            yield dict(label=label, segmentation=rle)
        elif polygons:
            yield dict(label=label, segmentation=polygons)


def read_voc(path: Path, size: tuple[int, int], as_masks: bool) -> Iterator[dict]:
    """Instances of a VOC file: label, box, difficult or not."""
    root = ElementTree.parse(path).getroot()
    said = [int(root.findtext(f'size/{key}') or 0) for key in ('width', 'height')]
    check_size(said, size, path)
    for entry in root.iter('object'):
        corners = [
            float(entry.find('bndbox').find(k).text) for k in ('xmin', 'ymin', 'xmax', 'ymax')
        ]
        # VOC counts pixels from 1, and the last one belongs to the box.
        left, top, right, bottom = corners[0] - 1, corners[1] - 1, corners[2], corners[3]
        instance = dict(
            label=entry.find('name').text,
            bbox=[left, top, right - left, bottom - top],
            iscrowd=int(entry.findtext('difficult') or 0),
        )
        if as_masks:
            instance['segmentation'] = [[left, top, right, top, right, bottom, left, bottom]]
        yield instance


def complete(instance: dict, size: tuple[int, int]) -> dict | None:
    """Clip an instance to its image and add box and area; ``None`` if nothing is left."""
    width, height = size
    mask = instance.get('segmentation')
    if isinstance(mask, list):
        limits = [width, height]
        mask = [
            [min(max(v, 0.0), limits[i % 2]) for i, v in enumerate(polygon)] for polygon in mask
        ]
        instance['segmentation'] = mask
    if mask is not None:
        encoded = mask
        if isinstance(mask, list):
            encoded = coco_mask.merge(coco_mask.frPyObjects(mask, height, width))
        box, area = coco_mask.toBbox(encoded).tolist(), float(coco_mask.area(encoded))
    else:
        x, y, across, down = instance['bbox']
        left, top = max(x, 0.0), max(y, 0.0)
        box = [left, top, min(x + across, width) - left, min(y + down, height) - top]
        area = max(box[2], 0.0) * max(box[3], 0.0)
    if min(box[2:]) < 1 or area <= 0:
        return None
    return dict(instance, bbox=box, area=area, iscrowd=instance.get('iscrowd', 0))


def read(pairs: list[tuple[Path, Path]], args: argparse.Namespace) -> tuple[list, Counter]:
    """Every image with its instances, and what was left out."""
    entries, left_out = [], Counter()
    for image, annotation in pairs:
        size = image_size(image)
        try:
            if annotation.suffix == '.json':
                instances = list(read_labelme(annotation, size, left_out))
            else:
                instances = list(read_voc(annotation, size, args.boxes_as_masks))
        except UserError:
            raise
        except (
            *(ValueError, KeyError, TypeError, AttributeError, IndexError, OSError),
            *(ElementTree.ParseError, binascii.Error),
        ) as error:
            kind = 'LabelMe' if annotation.suffix == '.json' else 'Pascal VOC'
            raise UserError(
                f'{annotation} is not an annotation of {kind}: {type(error).__name__} {error}'
            ) from error
        kept = [whole for i in instances if (whole := complete(i, size)) is not None]
        left_out['instances without area inside the image'] += len(instances) - len(kept)
        name = image.relative_to(args.images).as_posix()
        entries.append((name, size, kept))
    return entries, left_out


def coco(entries: list, categories: tuple[str, ...]) -> dict:
    """A COCO annotation file of some images."""
    images, annotations = [], []
    for number, (name, (width, height), instances) in enumerate(entries, 1):
        images.append(dict(id=number, file_name=name, width=width, height=height))
        for instance in instances:
            category = categories.index(instance.pop('label')) + 1
            annotations.append(
                dict(instance, id=len(annotations) + 1, image_id=number, category_id=category)
            )
    return dict(
        images=images,
        annotations=annotations,
        categories=[dict(id=i, name=name) for i, name in enumerate(categories, 1)],
    )


def write(content: dict, path: Path) -> None:
    write_whole(path, json.dumps(content))
    print(f'{path}: {len(content["images"])} images, {len(content["annotations"])} annotations')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""examples:
  %(prog)s data/mine/images data/mine/train.json --val data/mine/val.json
  %(prog)s VOC2012/JPEGImages voc.json --annotations VOC2012/Annotations --boxes-as-masks""",
    )
    parser.add_argument('images', type=Path, help='folder of images')
    parser.add_argument('out', type=Path, help='annotation file to write')
    parser.add_argument('--annotations', type=Path, help='folder of annotations, if another')
    parser.add_argument('--val', type=Path, help='hold out a part of the images for this file')
    parser.add_argument('--val-share', type=float, default=0.2, help='which part (default: 0.2)')
    parser.add_argument(
        '--categories', type=Path, help='use the categories of this COCO file, in its order'
    )
    parser.add_argument(
        '--boxes-as-masks',
        action='store_true',
        help='write each VOC box as its mask, so that Mask R-CNN trains; mask AP then says nothing',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with one_sentence():
        for folder in (args.images, args.annotations or args.images):
            if not folder.is_dir():
                raise UserError(f'folder {folder} does not exist')
        pairs, without = find_pairs(args.images, args.annotations or args.images)
        if not pairs:
            raise UserError(
                f'no image in {args.images} has a .json or .xml file of its name: point '
                '--annotations to the folder that holds them'
            )
        entries, left_out = read(pairs, args)
        labels = {instance['label'] for _, _, instances in entries for instance in instances}
        categories = tuple(sorted(labels))
        if args.categories:
            categories = read_annotations(str(args.categories)).categories
            unknown = sorted(labels - set(categories))
            if unknown:
                raise UserError(
                    f'labels {", ".join(unknown)} are not among the categories of {args.categories}'
                )
        if not categories:
            raise UserError(f'the annotations of {args.images} hold no instance')
        held_out = []
        if args.val:  # by name, so that adding images moves none
            part = [zlib.crc32(e[0].encode()) < args.val_share * 2**32 for e in entries]
            held_out = [e for e, held in zip(entries, part, strict=True) if held]
            entries = [e for e, held in zip(entries, part, strict=True) if not held]
        write(coco(entries, categories), args.out)
        if args.val:
            write(coco(held_out, categories), args.val)
    print(f'categories: {", ".join(categories)}')
    left_out['images without annotation'] = without
    for what, count in left_out.items():
        if count:
            print(f'left out {count} {what}')
    if not args.boxes_as_masks and any(a.suffix == '.xml' for _, a in pairs):
        print('boxes alone: Mask R-CNN needs masks (see --boxes-as-masks)')


if __name__ == '__main__':
    main()
