"""What other projects' exporters wrote of known truth is read as it is (tests/judges/write.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmgreen.importing import read_dataset

FOLDER = Path(__file__).resolve().parents[1] / 'data/judges'
TRUTH = json.loads((FOLDER / 'truth.json').read_text())
SETS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
#: Those that write splits.
SPLIT = ('coco_instances', 'cvat', 'label_me', 'voc_detection', 'yolo', 'yolo_ultralytics')


def image_of(name):
    """The truth's image, before whose name Label Studio puts eight digits."""
    name = name.rpartition('/')[2]
    return name if name in TRUTH['objects'] else name[9:]


def covered(segmentation):
    width, height = TRUTH['size']
    if isinstance(segmentation, list):
        segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation['counts'], list):
        segmentation = coco_mask.frPyObjects(segmentation, height, width)
    return coco_mask.decode(segmentation).astype(bool)


@pytest.mark.parametrize('name', SETS)
def test_objects_masks_classes_and_splits_are_theirs(name):
    dataset = read_dataset(FOLDER / name)
    assert set(dataset.categories) == {'nut', 'bolt'}
    tool, format, *_ = name.split()
    expected = set(TRUTH['splits'].values()) if tool == 'datumaro' and format in SPLIT else {'all'}
    assert set(dataset.splits) == expected
    seen = []
    for split, images in dataset.splits.items():
        for image in images:
            truth = image_of(image.name)
            seen.append(truth)
            assert (FOLDER / name / image.name).is_file()
            assert split in ('all', TRUTH['splits'][truth])
            assert list(image.size) == TRUTH['size']
            things = list(image.objects)
            assert len(things) == len(TRUTH['objects'][truth])
            for label, outline in TRUTH['objects'][truth]:
                corners = np.array(outline, float)
                box = [*corners.min(0), *np.ptp(corners, axis=0)]
                (thing,) = [
                    t
                    for t in things
                    if t['label'] == label and np.allclose(t['bbox'], box, atol=1.5)
                ]
                # supervision calls masks of several parts crowds.
                assert not thing['iscrowd'] or name == 'supervision coco mask'
                if 'segmentation' in thing:
                    mine, its = covered(thing['segmentation']), covered([corners.ravel().tolist()])
                    assert (mine & its).sum() / (mine | its).sum() > (
                        0.85 if 'mask' in name else 0.99
                    )
    assert sorted(seen) == sorted(TRUTH['objects'])
    assert dataset.has_masks == (not name.endswith('box'))
    assert not dataset.left_out
