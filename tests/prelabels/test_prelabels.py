"""What is written for a labelling tool is read back as it was found."""

import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pycocotools import mask as coco_mask

from mmgreen.errors import UserError
from mmgreen.importing import read_dataset
from mmgreen.prelabels import FORMATS, write_prelabels
from mmgreen.prelabels.label_studio import encode_brush
from mmgreen.prelabels.outlines import in_one_line, outline

WITH_MASKS = [name for name in FORMATS if name != 'voc']
CLASSES = ['cell', 'Zelle & <Kern>', '细胞']


def run_lengths(mask):
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return dict(size=list(rle['size']), counts=rle['counts'].decode())


def found(masks, boxes_alone=False):
    """Images of one size, each with a mask for each object."""
    images, annotations = [], []
    for number, some in enumerate(masks, 1):
        height, width = some[0].shape if some else (30, 40)
        images.append(dict(id=number, file_name=f'a b/{number}.png', width=width, height=height))
        for i, mask in enumerate(some):
            rle = run_lengths(mask)
            thing = dict(
                id=len(annotations) + 1,
                image_id=number,
                category_id=1 + i % len(CLASSES),
                bbox=coco_mask.toBbox(rle).tolist(),
                score=0.5 + i / 100,
            )
            annotations.append(thing if boxes_alone else dict(thing, segmentation=rle))
    categories = [dict(id=i, name=name) for i, name in enumerate(CLASSES, 1)]
    return dict(images=images, annotations=annotations, categories=categories)


def read_back(folder, content, name, tolerance=0.0):
    """Objects of each image as this project reads what a person has accepted unchanged."""
    place = folder / f'{name}{len(list(folder.iterdir()))}'
    images = place / name / 'images' if name == 'yolo' else place / 'images'
    write_prelabels(content, place, place, [name], tolerance)
    for entry in content['images']:
        path = images / entry['file_name']
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (entry['width'], entry['height'])).save(path)
    if name == 'label-studio':
        tasks = json.loads((place / name / 'tasks.json').read_text())
        for task in tasks:
            task['annotations'] = task.pop('predictions')
            task['data']['image'] = task['data']['image'].replace(place.name, 'images')
        (images / 'export.json').write_text(json.dumps(tasks))
        return read_dataset(images)
    if name == 'yolo':
        return read_dataset(place / name)
    return (
        read_dataset(images, annotations=place / name)
        if name
        in (
            'labelme',
            'voc',
        )
        else read_dataset(_beside(place, name))
    )


def _beside(place, name):
    """CVAT's and COCO's file beside the images, as the tools export it."""
    for file in (place / name).iterdir():
        content = file.read_text()
        if (
            name == 'coco'
        ):  # no tool keeps scores, by which this project knows what no person has seen
            content = json.loads(content)
            for thing in content['annotations']:
                del thing['score']
            content = json.dumps(content)
        (place / 'images' / file.name).write_text(content)
        file.unlink()
    (place / name).rmdir()
    return place / 'images'


def mask_of(thing, size):
    rle = thing['segmentation']
    if isinstance(rle, list):
        rle = coco_mask.merge(coco_mask.frPyObjects(rle, size[1], size[0]))
    return coco_mask.decode(rle).astype(bool)


blobs = (
    arrays.arrays(bool, (5, 6), elements=st.booleans())
    .filter(np.any)
    .map(lambda small: np.pad(small.repeat(4, 0).repeat(5, 1), ((3, 7), (4, 6))))
)


@pytest.mark.parametrize('name', WITH_MASKS)
@given(st.lists(st.lists(blobs, min_size=1, max_size=3), min_size=1, max_size=2))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_masks_with_parts_and_holes_are_read_back_to_the_pixel(tmp_path, name, masks):
    content = found(masks)
    dataset = read_back(tmp_path, content, name)
    assert len(dataset.images) == len(masks)
    for image, some in zip(sorted(dataset.images, key=lambda i: i.name), masks, strict=True):
        assert len(image.objects) == len(some)
        for i, (thing, mask) in enumerate(zip(image.objects, some, strict=True)):
            assert thing['label'] == CLASSES[i % 3]
            assert np.array_equal(mask_of(thing, image.size), mask)


@pytest.mark.parametrize('name', FORMATS)
def test_boxes_are_read_back(tmp_path, name):
    mask = np.zeros((30, 40), bool)
    mask[5:17, 8:31] = True
    dataset = read_back(tmp_path, found([[mask, mask], []], boxes_alone=True), name)
    assert sum(len(image.objects) for image in dataset.images) == 2
    for image in dataset.images:
        for thing in image.objects:
            assert thing['bbox'] == pytest.approx([8, 5, 23, 12], abs=0.02)


@given(blobs, st.floats(0, 3))
def test_an_outline_moves_no_edge_by_more_than_the_tolerance(mask, tolerance):
    exact, simple = (outline(run_lengths(mask), t) for t in (0.0, tolerance))
    assert sum(part.area for part in exact) == mask.sum()
    corners = sum(len(part.exterior.coords) for part in simple)
    assert corners <= sum(len(part.exterior.coords) for part in exact)
    for part in simple:
        nearest = min(exact, key=lambda other: other.symmetric_difference(part).area)
        assert part.exterior.hausdorff_distance(nearest.exterior) <= 3 * tolerance + 1e-6


def test_a_round_object_has_few_corners():
    rows, cols = np.mgrid[:200, :200]
    disc = (rows - 99.5) ** 2 + (cols - 99.5) ** 2 < 90**2
    (part,) = outline(run_lengths(disc), 1.0)
    assert len(part.exterior.coords) < 60
    assert part.area == pytest.approx(disc.sum(), rel=0.01)


@given(blobs)
def test_one_line_goes_around_all_parts_and_holes(mask):
    line = in_one_line(outline(run_lengths(mask), 0.0))
    flat = [v for point in line for v in point]
    drawn = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([flat], *mask.shape)))
    assert np.array_equal(drawn.astype(bool), mask)


def test_scores_are_where_a_tool_has_a_place_for_them(tmp_path):
    mask = np.ones((30, 40), bool)
    write_prelabels(found([[mask]]), tmp_path, tmp_path, list(FORMATS))
    shape = json.loads((tmp_path / 'labelme/a b/1.json').read_text())['shapes'][0]
    assert shape['description'] == 'score 0.5000'
    (polygon,) = ET.parse(tmp_path / 'cvat/annotations.xml').iter('polygon')
    assert polygon.find("attribute[@name='score']").text == '0.5000'
    (task,) = json.loads((tmp_path / 'label-studio/tasks.json').read_text())
    assert task['predictions'][0]['result'][0]['score'] == 0.5
    labels = ET.parse(tmp_path / 'label-studio/labels.xml').iter('Label')
    assert [label.get('value') for label in labels] == CLASSES
    (voc,) = ET.parse(tmp_path / 'voc/Annotations/a b/1.xml').iter('confidence')
    assert voc.text == '0.5000'
    (thing,) = json.loads((tmp_path / 'coco/instances.json').read_text())['annotations']
    assert thing['score'] == 0.5


def test_what_a_person_has_corrected_is_not_written_over(tmp_path):
    mask = np.ones((30, 40), bool)
    write_prelabels(found([[mask]]), tmp_path, tmp_path, ['cvat'])
    before = (tmp_path / 'cvat/annotations.xml').read_bytes()
    with pytest.raises(UserError, match='may hold what a person has corrected'):
        write_prelabels(found([[]]), tmp_path, tmp_path, ['labelme', 'cvat'])
    assert (tmp_path / 'cvat/annotations.xml').read_bytes() == before
    assert not (tmp_path / 'labelme').exists()


def test_two_images_of_one_annotation_file_are_refused(tmp_path):
    content = found([[], []])
    content['images'][1]['file_name'] = 'a b/1.jpg'
    with pytest.raises(UserError, match=r'a b/1.jpg and a b/1.png would have one annotation file'):
        write_prelabels(content, tmp_path, tmp_path, ['labelme'])


def test_long_runs_of_a_brush_are_cut():
    from mmgreen.importing.layouts.label_studio import decode_brush

    mask = np.zeros((400, 300), bool)
    mask[200:, :] = True
    pixels = decode_brush(encode_brush(mask)).reshape(400, 300, 4)
    assert np.array_equal(pixels, np.repeat(255 * mask[..., None].astype(np.uint8), 4, 2))
