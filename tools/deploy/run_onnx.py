#!/usr/bin/env python
"""Detect objects in images by an exported detector, with onnxruntime, numpy and Pillow alone.

It is an example to copy from: it imports nothing else. Its pictures show boxes, masks and names, and
detections.json beside them says for each image the same in numbers: boxes as left, top, right, bottom.
"""

import argparse
import colorsys
import json
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw, ImageOps


def load(path):
    """A session, and what the file says of itself."""
    session = onnxruntime.InferenceSession(path)
    about = json.loads(session.get_modelmeta().custom_metadata_map['mmgreen'])
    if about['format'] != 1:
        raise SystemExit(f'{path} is of format {about["format"]}, and this program reads format 1')
    return session, about


def read(name):
    """An image as people see it: turned as its camera says, of 16 bits the upper eight."""
    image = ImageOps.exif_transpose(Image.open(name))
    if image.mode.startswith('I'):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert('RGB')


def prepare(image, steps):
    """The array that the detector takes, and the factors by which it is larger than the image."""
    scales = np.ones(2)
    for step in steps:
        size, before = step['size'], np.array(image.size)
        if step['op'] == 'resize':
            if step['keep_ratio']:
                scale = min(max(size) / max(before), min(size) / min(before))
                size = [int(side * scale + 0.5) for side in before]
            image = image.resize(size, Image.Resampling.BILINEAR)
            scales = scales * image.size / before
        else:
            padded = Image.new('RGB', size, tuple(step['value']))
            padded.paste(image)
            image = padded
    return np.asarray(image), scales


def detect(session, about, image, threshold):
    """Boxes in pixels of the image, scores, labels and masks, where there are some, of its size."""
    array, scales = prepare(image, about['prepare'])
    batch = {'images': array[None], 'sizes': np.array([array.shape[:2]])}  # of one, here
    inputs = batch if about['batch'] else {'image': array}
    boxes, scores, labels, *masks = session.run(None, inputs)
    keep = scores >= threshold
    boxes = boxes[keep] / np.tile(scales, 2)
    small, at = (masks[0][keep], boxes) if about['mask_threshold'] is not None else ([], [])
    if about['mask_stride']:  # logits of the image, and not of a box
        at = [(0, 0, *np.flip(small.shape[1:]) * about['mask_stride'] / scales)] * len(small)
    whole = [paste(mask, box, image.size, about) for mask, box in zip(small, at, strict=False)]
    return boxes, scores[keep], labels[keep], whole


def paste(mask, box, size, about):
    """A mask of a part of the image as a mask of all of it."""
    left, top, right, bottom = box
    x, y = mask.shape[1] / (right - left), mask.shape[0] / (bottom - top)
    transform = (x, 0, -left * x, 0, y, -top * y)
    whole = Image.fromarray(mask).transform(
        size, Image.Transform.AFFINE, transform, Image.Resampling.BILINEAR
    )
    return np.asarray(whole) >= about['mask_threshold']


def colour_of(label):
    """The colour of a category in all of mmgreen's pictures."""
    hue = (0.38 + label * 0.381966) % 1
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 0.85, 0.85))


def draw(image, boxes, scores, labels, masks, classes):
    """A picture of what was found."""
    array = np.array(image)
    for mask, label in zip(masks, labels, strict=False):
        array[mask] = array[mask] // 2 + np.array(colour_of(label), np.uint8) // 2
    picture = Image.fromarray(array)
    pen = ImageDraw.Draw(picture)
    for box, score, label in zip(boxes, scores, labels, strict=True):
        pen.rectangle(list(box), outline=colour_of(label), width=2)
        # Pillow's own font has no letters of other scripts.
        name = classes[label] if classes[label].isascii() else f'#{label}'
        pen.text((box[0] + 3, box[1] + 2), f'{name} {score:.2f}', fill='white')
    return picture


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog='example: %(prog)s epoch_12.onnx street.jpg --out pictures'
    )
    parser.add_argument('model', help='file of tools/deploy/export.py')
    parser.add_argument('images', nargs='+', help='image files')
    parser.add_argument('--threshold', type=float, help="lowest score; by default the file's")
    parser.add_argument('--out', default='found', help='folder for pictures and detections.json')
    args = parser.parse_args()
    session, about = load(args.model)
    known = (args.threshold, about.get('threshold'), 0.3)
    threshold = next(score for score in known if score is not None)
    Path(args.out).mkdir(parents=True, exist_ok=True)
    said = {}
    for name in args.images:
        picture = Path(args.out, Path(name).name)
        if picture.exists() and picture.samefile(name):
            raise SystemExit(f'{picture} would be replaced by its picture: name another --out')
        image = read(name)
        found = boxes, scores, labels, _ = detect(session, about, image, threshold)
        draw(image, *found, about['classes']).save(picture)
        said[name] = [
            dict(box=box.tolist(), score=float(score), name=about['classes'][label])
            for box, score, label in zip(boxes, scores, labels, strict=True)
        ]
        print(f'{name}: {len(boxes)} objects')
    Path(args.out, 'detections.json').write_text(json.dumps(said, indent=1))


if __name__ == '__main__':
    main()
