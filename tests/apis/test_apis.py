"""The same from Python."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from helpers import run_tool
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmgreen.apis import Detector, detect, detect_folder, evaluate, finetune, pretrain, reconstruct
from mmgreen.checkpoints import threshold_of
from mmgreen.cli.detect import main as detect_command
from mmgreen.errors import UserError

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
WORKERS = {
    f'{split}_dataloader.{key}': value
    for split in ('train', 'val', 'test')
    for key, value in (('num_workers', 0), ('persistent_workers', False))
}
ARCH = {'model.backbone.arch.embed_dims': 16}
NARROW = ARCH | {'model.neck.in_channels': [16, 32, 64]}
WIDE = ARCH | {'model.neck.embed_dim': 64}


@pytest.fixture(scope='module')
def made(demo, tmp_path_factory):
    """A pre-training checkpoint, a detector, and its evaluation; in one process."""
    folder = tmp_path_factory.mktemp('apis')
    scope = DefaultScope.get_current_instance()
    data = {'data_root': f'{demo}/'}
    train = {key: value for key, value in WORKERS.items() if key.startswith('train')}
    options = data | train | WIDE
    options |= {'train_dataloader.batch_size': 8, 'train_cfg.max_epochs': 1}
    backbone = pretrain(
        PRETRAIN, folder / 'pretrain', options | {'default_hooks.checkpoint.interval': 1}
    )
    detector = finetune(
        Config.fromfile(DETECT),
        backbone,
        folder / 'detect',
        data
        | WORKERS
        | NARROW
        | {
            'train_cfg.max_epochs': 1,
            'train_cfg.val_interval': 1,
            'default_hooks.checkpoint.save_best': 'coco/segm_mAP',
            'default_hooks.checkpoint.rule': 'greater',
        },
    )
    result = evaluate(DETECT, detector, folder / 'test', data | WORKERS | NARROW)
    left = DefaultScope.get_current_instance()  # modules are looked up where they were before
    assert (left and left.scope_name) == (scope and scope.scope_name)
    return backbone, detector, result


def test_each_run_writes_into_its_own_folder(made):
    backbone, detector, result = made
    assert backbone.name == 'epoch_1.pth'
    assert detector.parent.name == 'detect'
    assert detector.name == 'best_coco_segm_mAP.pth'  # kept, so preferred to the last
    assert list(detector.parent.glob('*/vis_data/scalars.json'))
    assert {'coco/bbox_mAP', 'coco/segm_mAP'} <= set(result.metrics)
    assert result.report.parent == result.log_dir
    assert 'Pre-training loss' in result.report.read_text()


@pytest.mark.skipif(torch.cuda.is_available(), reason='of a CPU')
def test_a_run_and_a_loaded_detector_keep_the_channels_of_a_pixel_together(made, detector):
    trained = torch.load(made[1], weights_only=False)['state_dict']['neck.fpn_convs.0.conv.weight']
    for weight in (trained, detector.model.neck.fpn_convs[0].conv.weight):
        assert weight.is_contiguous(memory_format=torch.channels_last)


def test_paths_and_arrays_are_reconstructed_alike(demo, made):
    paths = sorted((demo / 'val').glob('*.jpg'))[:2]
    arrays = [cv2.imread(str(path)) for path in paths]
    first = reconstruct(PRETRAIN, made[0], paths, cfg_options=WIDE)
    second = reconstruct(PRETRAIN, made[0], arrays, cfg_options=WIDE)
    assert first.shape == (3 * 192 + 8, 2 * 192 + 4, 3)
    # Two decoders of the same file may differ by a little.
    assert np.abs(first.astype(int) - second).mean() < 3
    other = reconstruct(PRETRAIN, made[0], paths, seed=1, cfg_options=WIDE)
    assert (other != first).any()


def test_detection_needs_no_dataset_and_boxes_are_in_pixels_of_the_image(demo, made, tmp_path):
    image = cv2.imread(str(next((demo / 'val').glob('*.jpg'))))
    large = cv2.resize(image, None, fx=3, fy=3)
    checkpoint = shutil.copy(made[1], tmp_path / 'detector.pth')
    nowhere = NARROW | {'data_root': 'nowhere/', 'model.test_cfg.rcnn.score_thr': 0.0}
    small_found, large_found = detect(DETECT, checkpoint, [image, large], nowhere, threshold=0)
    instances = large_found.pred_instances
    assert instances.masks.shape[1:] == large.shape[:2]
    assert instances.bboxes.max() > image.shape[1]
    assert len(large_found.metainfo['classes']) == 5
    assert torch.isfinite(small_found.pred_instances.scores).all()


@pytest.fixture(scope='module')
def detector(made):
    options = NARROW | {'model.test_cfg.rcnn.score_thr': 0.0}
    return Detector(DETECT, made[1], threshold=0.0, cfg_options=options)


def test_a_detector_is_loaded_once_and_says_the_same(demo, made, detector):
    paths = sorted((demo / 'val').glob('*.jpg'))
    whole = detector(demo / 'val')
    assert [sample.img_path for sample in whole] == [str(path) for path in paths]
    (alone,) = detector(cv2.imread(str(paths[1])))
    assert torch.allclose(
        whole[1].pred_instances.scores[:5], alone.pred_instances.scores[:5], atol=0.05
    )
    together = Detector(
        DETECT,
        made[1],
        threshold=0.0,
        batch_size=4,
        cfg_options=NARROW | {'model.test_cfg.rcnn.score_thr': 0.0},
    )
    for one, other in zip(whole, together(paths), strict=True):
        torch.testing.assert_close(
            one.pred_instances.scores, other.pred_instances.scores, atol=1e-4, rtol=1e-4
        )
    scores = torch.cat([sample.pred_instances.scores for sample in whole])
    detector.threshold = float(scores.median())
    try:
        kept = torch.cat([sample.pred_instances.scores for sample in detector(demo / 'val')])
        torch.testing.assert_close(kept, scores[scores >= detector.threshold])
    finally:
        detector.threshold = 0.0


def test_detections_are_taken_from_the_score_that_validation_found_best(made, tmp_path):
    checkpoint = torch.load(made[1], weights_only=True)
    validated = checkpoint['message_hub']['log_scalars']['val/coco/segm_threshold']
    (last,) = validated['history_buffer'][0][-1:].tolist()
    assert threshold_of(checkpoint) == (last if last >= 0 else None)
    for known, taken in ((0.65, 0.65), (0.0, 0.0), (None, 0.3)):
        checkpoint['meta']['threshold'] = known
        torch.save(checkpoint, tmp_path / 'known.pth')
        assert Detector(DETECT, tmp_path / 'known.pth', cfg_options=NARROW).threshold == taken
    given = Detector(DETECT, tmp_path / 'known.pth', threshold=0.1, cfg_options=NARROW)
    assert given.threshold == 0.1


def test_a_folder_is_detected_in_as_coco_has_it(demo, detector, tmp_path):
    from pycocotools.coco import COCO

    found = detect_folder(detector, demo / 'val', tmp_path / 'pictures')
    names = sorted(path.name for path in (demo / 'val').glob('*.jpg'))
    assert [image['file_name'] for image in found['images']] == names
    assert sorted(path.name for path in (tmp_path / 'pictures').iterdir()) == names
    (tmp_path / 'found.json').write_text(json.dumps(found))
    coco = COCO(str(tmp_path / 'found.json'))
    assert [coco.cats[i]['name'] for i in sorted(coco.cats)] == list(detector.classes)
    for sample, image in zip(detector(demo / 'val'), found['images'], strict=True):
        entries = coco.imgToAnns[image['id']]
        assert [e['category_id'] - 1 for e in entries] == sample.pred_instances.labels.tolist()
        for entry, mask in zip(entries, sample.pred_instances.masks, strict=True):
            assert (coco.annToMask(entry).astype(bool) == mask.numpy()).all()
        x, y, width, height = entries[0]['bbox']
        box = torch.tensor([x, y, x + width, y + height])
        torch.testing.assert_close(box, sample.pred_instances.bboxes[0])


def test_pictures_do_not_replace_images(demo, detector, tmp_path):
    for name in ('a.png', 'a.jpg'):
        cv2.imwrite(str(tmp_path / name), cv2.imread(str(next((demo / 'val').glob('*.jpg')))))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for images in (tmp_path, tmp_path / 'a.jpg'):
        with pytest.raises(UserError, match='pictures would replace the images'):
            detect_folder(detector, images, tmp_path)
    detect_folder(detector, tmp_path, tmp_path / 'found')
    assert sorted(path.name for path in (tmp_path / 'found').iterdir()) == ['a.jpg', 'a.png.jpg']
    assert before == {name: (tmp_path / name).read_bytes() for name in before}


def test_pictures_replace_nothing_that_is_not_theirs(tmp_path, demo):
    (tmp_path / 'a.jpg').write_bytes(b'mine')
    with pytest.raises(SystemExit, match='holds files that are not of an earlier mmgreen detect'):
        detect_command([DETECT, 'none.pth', str(demo / 'val'), '--out', str(tmp_path)])
    assert (tmp_path / 'a.jpg').read_bytes() == b'mine'


def test_the_tool_detects(demo, made, tmp_path):
    done = run_tool(
        *('tools/detect.py', DETECT, made[1], demo / 'val', '--out', tmp_path / 'found'),
        *('--threshold', 0, '--tile', 128, '--cfg-options', 'model.test_cfg.rcnn.score_thr=0.0'),
        *(f'{key}={value}' for key, value in NARROW.items()),
    )
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / 'found/detections.json').read_text())
    assert (
        f'{len(content["annotations"])} objects of a score of 0.00 and above in 6 images'
        in done.stdout
    )
    assert len(list((tmp_path / 'found').glob('*.jpg'))) == 6
    missing = run_tool('tools/detect.py', DETECT, made[1], 'nowhere', '--out', tmp_path / 'no')
    assert missing.returncode == 1
    assert not (tmp_path / 'no').exists()


def test_a_detector_of_other_categories_takes_their_number_from_its_checkpoint(made, demo):
    image = next((demo / 'val').glob('*.jpg'))
    heads = {f'model.roi_head.{head}.num_classes': 80 for head in ('bbox_head', 'mask_head')}
    (found,) = detect(DETECT, made[1], image, NARROW | heads)
    assert (found.pred_instances.labels < 5).all()


def test_what_is_wrong_is_one_sentence(made, tmp_path):
    bad = tmp_path / 'bad.jpg'
    bad.write_bytes(b'no image')
    grey = np.zeros((5, 5), dtype=np.uint8)
    for call, words in (
        (lambda: pretrain('none.py'), 'config file none.py does not exist'),
        (lambda: reconstruct(DETECT, made[1], grey), 'describes MaskRCNN'),
        (lambda: reconstruct(PRETRAIN, made[0], 'none.jpg'), 'image none.jpg does not exist'),
        (lambda: reconstruct(PRETRAIN, made[0], bad), 'bad.jpg cannot be read'),
        (lambda: reconstruct(PRETRAIN, made[0], grey), r'must be uint8 of shape .* not uint8'),
        (lambda: detect(DETECT, 'none.pth', grey[..., None].repeat(3, 2)), 'none.pth does not'),
        (
            lambda: detect(DETECT, made[1], grey[..., None].repeat(3, 2)),
            'is of another architecture than the config',
        ),
    ):
        with pytest.raises(UserError, match=words):
            call()


def test_pictures_of_an_earlier_call_are_no_images(demo, detector, tmp_path):
    for i, path in enumerate(sorted((demo / 'val').glob('*.jpg'))[:2]):
        shutil.copy(path, tmp_path / f'{i}.jpg')
    first, second = (detect_folder(detector, tmp_path, tmp_path / 'found') for _ in range(2))
    assert [image['file_name'] for image in second['images']] == ['0.jpg', '1.jpg']
    assert first == second
