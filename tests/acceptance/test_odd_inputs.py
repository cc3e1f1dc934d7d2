"""What people's files are really like: right figures, or one sentence."""

import json
import re
import shutil

import pytest
from helpers import run_tool

DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
CHECK = 'tools/datasets/check.py'
# The detector that comes with these datasets has a stage more than the config's.
ITS_NET = (
    'model.backbone.arch.depths=[2,2,4,2]',
    'model.backbone.arch.num_heads=[1,2,4,8]',
    'model.backbone.window_size=6',
    'model.backbone.out_indices=(0,1,2,3)',
    'model.neck.in_channels=[32,64,128,256]',
    'model.neck.num_outs=5',
    'model.rpn_head.anchor_generator.strides=[4,8,16,32,64]',
    'model.roi_head.bbox_roi_extractor.featmap_strides=[4,8,16,32]',
    'model.roi_head.mask_roi_extractor.featmap_strides=[4,8,16,32]',
)


@pytest.fixture
def dataset(odd_inputs, tmp_path):
    """A dataset of a name, with the images of the sound one."""

    def make(name):
        folder = tmp_path / name
        shutil.copytree(odd_inputs / name / 'annotations', folder / 'annotations')
        for split in ('train', 'val'):
            (folder / split).symlink_to(odd_inputs / 'sound' / split)
        return folder

    return make


@pytest.mark.parametrize('name', ['sound', 'zero_ids', 'cat_order'])
def test_the_figures_are_those_of_the_sound_dataset(odd_inputs, dataset, tmp_path, name):
    """Ids from zero on, and categories in another order, change nothing."""
    done = run_tool(
        *('tools/test.py', DETECT, odd_inputs / 'detector.pth', '--work-dir', tmp_path / 'test'),
        *(
            '--cfg-options',
            f'data_root={dataset(name)}/',
            'test_dataloader.num_workers=0',
            *ITS_NET,
        ),
    )
    assert done.returncode == 0, done.stderr
    assert 'annotation id 0' not in done.stderr
    (path,) = (tmp_path / 'test').glob('*/report.json')
    (run,) = json.loads(path.read_text())['runs']
    for kind, expected in (('bbox', 0.7247), ('segm', 0.5712)):
        assert run[kind]['figures']['AP'] == pytest.approx(expected, abs=1e-4)
        assert run[kind]['errors']['ap50'] == pytest.approx(run[kind]['figures']['AP50'])


@pytest.mark.parametrize(
    ('name', 'words'),
    [('rle_short', 'has run lengths that'), ('flat_polygon', 'has a polygon that is no list')],
)
def test_what_nobody_can_read_is_said_before_a_run(dataset, tmp_path, name, words):
    folder = dataset(name)
    done = run_tool(CHECK, folder)
    assert done.returncode == 1
    assert words in done.stdout
    done = run_tool(
        *('tools/train.py', DETECT, '--work-dir', tmp_path / 'work', '--cfg-options'),
        *(f'data_root={folder}/', 'model.backbone.init_cfg=None'),
    )
    assert done.returncode == 1
    assert re.search(rf'error: annotation \d+ of {folder}\S+ {words}', done.stderr)
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('two_points', 'with polygons of fewer than three points'),
        ('negatives', '6 images have no object'),
    ],
)
def test_what_training_leaves_out_is_counted(dataset, name, words):
    done = run_tool(CHECK, dataset(name))
    assert words in done.stdout


def test_the_layout_of_roboflow_is_recognised(odd_inputs):
    done = run_tool(CHECK, odd_inputs / 'roboflow')
    assert 'format of COCO' in done.stdout
    assert 'images of val are images of train, too' in done.stdout  # as they are


def test_rectangles_of_four_corners_are_converted(odd_inputs, tmp_path):
    source = odd_inputs / 'rectangle_of_four_corners'
    images = shutil.copytree(source, tmp_path / 'images')
    for path in images.glob('*.json'):
        name = json.loads(path.read_text())['imagePath']
        if not (images / name).exists():
            (found,) = (odd_inputs / 'sound').rglob(name)
            (images / name).symlink_to(found)
    done = run_tool('tools/datasets/to_coco.py', images, tmp_path / 'out.json')
    assert done.returncode == 0, done.stderr
    annotations = json.loads((tmp_path / 'out.json').read_text())['annotations']
    assert annotations
    assert all(len(a['segmentation'][0]) == 8 for a in annotations)


def test_a_part_of_the_images_is_judged_by_itself(odd_inputs, tmp_path):
    """The report's figures are those that were printed, of five images."""
    done = run_tool(
        *('tools/test.py', DETECT, odd_inputs / 'detector.pth', '--work-dir', tmp_path / 'test'),
        *(
            '--cfg-options',
            f'data_root={odd_inputs / "sound"}/',
            'test_dataloader.num_workers=0',
            *ITS_NET,
        ),
        'test_dataloader.dataset.indices=5',
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / 'test').glob('*/report.json')
    data = json.loads(path.read_text())
    assert data['images'] == 5
    figure = data['runs'][0]['bbox']['figures']['AP']
    assert figure == pytest.approx(0.75, abs=0.01)
    assert f'coco/bbox_mAP: {figure:.4f}' in done.stdout


def test_images_that_exif_turns_are_refused_with_both_sizes(odd_inputs, tmp_path):
    done = run_tool(CHECK, odd_inputs / 'exif')
    assert done.returncode == 1
    assert re.search(r'has (\d+)x(\d+) pixels, and its annotations are for \2x\1', done.stdout)
    assert 'EXIF' in done.stdout
    done = run_tool(
        *('tools/train.py', DETECT, '--work-dir', tmp_path / 'work', '--cfg-options'),
        *(f'data_root={odd_inputs / "exif"}/', 'model.backbone.init_cfg=None'),
        *('train_dataloader.num_workers=0', 'train_cfg.max_epochs=1'),
    )
    assert done.returncode == 1
    assert 'error: image ' in done.stderr
    assert 'width and height are swapped' in done.stderr
    assert not (tmp_path / 'work').exists()  # before the run


def test_sixteen_bits_are_shown_by_their_upper_eight(odd_inputs):
    import mmcv
    import numpy as np
    from PIL import Image

    path = next((odd_inputs / 'u16/train').iterdir())
    values = np.asarray(Image.open(path)).astype(np.int64)
    assert values.max() > 255
    shown = mmcv.imread(str(path), backend='pillow')  # as a pipeline without mmgreen.LoadImage
    assert (shown[..., 0] == values >> 8).all()
    assert shown.std() > 5


def test_pictures_of_one_name_stay_in_their_folders(odd_inputs, tmp_path):
    own = shutil.copytree(odd_inputs / 'sound', tmp_path / 'own')
    path = own / 'annotations/val.json'
    content = json.loads(path.read_text())
    for i, image in enumerate(content['images']):
        folder = own / 'val' / f'day{i % 2}'
        folder.mkdir(exist_ok=True)
        name = f'{i // 2}.jpg'
        (own / 'val' / image['file_name']).rename(folder / name)
        image['file_name'] = f'day{i % 2}/{name}'
    path.write_text(json.dumps(content))
    done = run_tool(
        *('tools/test.py', DETECT, odd_inputs / 'detector.pth', '--work-dir', tmp_path / 'test'),
        *('--show-dir', tmp_path / 'shown', '--no-report', '--cfg-options', f'data_root={own}/'),
        *('test_dataloader.num_workers=0', *ITS_NET),
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / 'shown').rglob('*.jpg'))) == len(content['images'])


def test_ids_of_any_size_and_text_give_the_same_figures(odd_inputs, dataset, tmp_path):
    folder = dataset('sound')
    path = folder / 'annotations/val.json'
    content = json.loads(path.read_text())
    images = {image['id']: 2**127 + i for i, image in enumerate(content['images'])}
    names = {category['id']: f'kind-{category["id"]}' for category in content['categories']}
    for entry in content['images']:
        entry['id'] = images[entry['id']]
    for entry in content['categories']:
        entry['id'] = names[entry['id']]
    for i, entry in enumerate(content['annotations']):
        entry.update(id=f'{i}-of-many', image_id=images[entry['image_id']])
        entry['category_id'] = names[entry['category_id']]
    path.unlink()
    path.write_text(json.dumps(content))
    done = run_tool(
        *('tools/test.py', DETECT, odd_inputs / 'detector.pth', '--work-dir', tmp_path / 'test'),
        *('--cfg-options', f'data_root={folder}/', 'test_dataloader.num_workers=0', *ITS_NET),
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / 'test').glob('*/report.json')
    (run,) = json.loads(path.read_text())['runs']
    for kind, expected in (('bbox', 0.7247), ('segm', 0.5712)):
        assert run[kind]['figures']['AP'] == pytest.approx(expected, abs=1e-4)
    (results,) = (tmp_path / 'test').glob('*/detections.bbox.json')
    assert {found['image_id'] for found in json.loads(results.read_text())} <= set(images.values())
