"""A detector's ONNX file finds what the detector finds, without mmgreen, mmdet and torch."""

import json
import re
import subprocess
import sys
import time
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers import ROOT, run_python
from PIL import Image
from pycocotools import mask as mask_api
from torch import nn

from mmgreen.apis import (
    Detector,
    evaluate,
    export_backbone,
    export_detector,
    load_features,
    open_run,
    time_exported,
)
from mmgreen.apis.inference import load_model
from mmgreen.config import load_config
from mmgreen.deploy import (
    ExportedDetector,
    open_runtime,
    open_session,
    preparation,
    quantize,
    runtimes_here,
)
from mmgreen.deploy.onnx_file import _alike, exportable
from mmgreen.engine import build_model, own_scope
from mmgreen.errors import UserError
from mmgreen.images import read_image
from mmgreen.visualization import category_colour

CONFIG = ROOT / 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
OPTIONS = {
    'model.backbone.arch.depths': [1, 1, 2, 1],
    'model.test_cfg.rpn.max_per_img': 100,
    'model.test_cfg.rcnn.score_thr': 0.2,
}
CLASSES = ['tomato', 'lemon', 'leaf', 'plum', 'carrot']


INS = ROOT / 'configs/rtmdet/rtmdet-ins_l_green-swin-tiny-w7_4xb32-100e_coco.py'
_NORM = dict(type='GN', num_groups=8)
INS_OPTIONS = {
    'model.backbone.arch': dict(
        _delete_=True, embed_dims=16, depths=[1, 1, 2, 1], num_heads=[1, 1, 2, 2]
    ),
    'model.backbone.window_size': 4,
    'model.backbone.init_cfg': None,
    'model.neck': dict(
        in_channels=[32, 64, 128], out_channels=32, num_csp_blocks=1, norm_cfg=_NORM
    ),
    'model.bbox_head': dict(
        in_channels=32, feat_channels=32, num_classes=len(CLASSES), norm_cfg=_NORM
    ),
    'test_dataloader.dataset.pipeline.1.scale': (160, 160),
    'test_dataloader.dataset.pipeline.2.size': (160, 160),
}


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'epoch_1.pth'
    _draw(CONFIG, OPTIONS, path)
    return path


def _draw(config, options, path):
    """Write a detector of drawn weights, which finds something everywhere."""
    model = build_model(load_config(config, options))
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    meta = dict(dataset_meta=dict(classes=CLASSES))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)


@pytest.fixture(scope='module')
def exported(checkpoint):
    path = checkpoint.with_suffix('.onnx')
    export_detector(CONFIG, checkpoint, path, OPTIONS)
    assert sorted(p.name for p in path.parent.iterdir()) == ['epoch_1.onnx', 'epoch_1.pth']
    return path


def test_takes_images_of_any_size(checkpoint, exported):
    session = open_session(exported)
    (image,) = session.get_inputs()
    assert (image.name, image.type, image.shape) == (
        'image',
        'tensor(uint8)',
        ['height', 'width', 3],
    )
    assert [out.name for out in session.get_outputs()] == ['boxes', 'scores', 'labels', 'masks']
    program = exportable(load_model(load_config(CONFIG, OPTIONS), checkpoint, 'cpu'))
    rng = np.random.default_rng(0)
    for size in ((96, 128), (131, 67), (40, 300)):
        array = rng.integers(0, 256, (*size, 3), np.uint8)
        with torch.no_grad():
            wanted = [x.numpy() for x in program(torch.from_numpy(array))]
        found = session.run(None, {'image': array})
        assert len(found[0]) > 0
        for a, b in zip(wanted, found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-2)


# What TensorRT's parser for ONNX takes, of what is used here: its table of operators, of version 8.5, and
# LayerNormalization, since 8.6.
TENSORRT = [
    'Add', 'And', 'Cast', 'Ceil', 'Clip', 'Concat', 'Constant', 'ConstantOfShape', 'Conv',
    'ConvTranspose', 'Cos', 'CumSum', 'Div', 'Einsum', 'Equal', 'Erf', 'Exp', 'Expand',
    'Floor', 'Gather', 'GatherElements', 'GatherND', 'Gemm', 'Greater', 'GreaterOrEqual',
    'GridSample', 'HardSigmoid', 'Identity', 'InstanceNormalization', 'LayerNormalization',
    'Less', 'LessOrEqual', 'Log', 'MatMul', 'Max', 'MaxPool', 'Min', 'Mod', 'Mul', 'Neg',
    'NonMaxSuppression', 'NonZero', 'Not', 'Or', 'Pad', 'Pow', 'Range', 'Reciprocal',
    'ReduceMax', 'ReduceMean', 'ReduceMin', 'ReduceSum', 'Relu', 'Reshape', 'Resize',
    'RoiAlign', 'ScatterElements', 'ScatterND', 'Shape', 'Sigmoid', 'Sin', 'Slice', 'Softmax',
    'Split', 'Sqrt', 'Squeeze', 'Sub', 'Tile', 'TopK', 'Transpose', 'Unsqueeze', 'Where',
]  # fmt: skip


def check_operators(path):
    """A file's operators are those of TensorRT, within its restrictions."""
    model = onnx.load(path)
    (opset,) = model.opset_import
    assert (opset.domain, opset.version) == ('', 18)
    assert not model.functions
    assert not {node.op_type for node in model.graph.node} - set(TENSORRT)
    constant = {tensor.name for tensor in model.graph.initializer}
    constant |= {n.output[0] for n in model.graph.node if n.op_type == 'Constant'}
    # Inputs that must be known before, by their places.
    known = dict(TopK=1, CumSum=1, Squeeze=1, Unsqueeze=1, Slice=3)
    for node in model.graph.node:
        place = known.get(node.op_type)
        if place is not None and len(node.input) > place:
            assert node.input[place] in constant, node.name
        if {'image', 'images'} & set(node.input):  # 8 bits, which nothing else takes
            assert node.op_type in ('Cast', 'Shape'), node.op_type
        if node.op_type == 'Einsum':
            assert b'...' not in node.attribute[0].s
        if node.op_type == 'Resize':
            modes = [a.s for a in node.attribute if a.name == 'coordinate_transformation_mode']
            assert modes[0] in (b'half_pixel', b'pytorch_half_pixel', b'asymmetric')


def test_files_hold_what_tensorrt_can_run(exported, batches):
    check_operators(exported)
    check_operators(batches[1])


def detections(work_dir, kind):
    (path,) = Path(work_dir).rglob(f'detections.{kind}.json')
    found = json.loads(path.read_text())
    return sorted(found, key=lambda d: (d['image_id'], d['category_id'], *d.get('bbox', ())))


def test_is_evaluated_in_the_place_of_a_checkpoint(checkpoint, exported, demo, tmp_path):
    options = OPTIONS | {'data_root': f'{demo}/', 'test_dataloader.num_workers': 0}
    evaluations = [
        evaluate(CONFIG, file, tmp_path / file.name, options, report=False)
        for file in (checkpoint, exported)
    ]
    wanted, found = (detections(tmp_path / f.name, 'bbox') for f in (checkpoint, exported))
    assert len(wanted) == len(found) > 20
    for a, b in zip(wanted, found, strict=True):
        np.testing.assert_allclose(a['bbox'], b['bbox'], atol=0.01)
        assert a['score'] == pytest.approx(b['score'], abs=1e-4)
    first, second = (e.metrics for e in evaluations)
    for name in ('coco/bbox_mAP', 'coco/segm_mAP'):
        assert first[name] == pytest.approx(second[name], abs=0.001)


def test_labels_mean_what_they_meant_in_training(exported, demo, tmp_path):
    """Categories that the data list in another order are taken in that of the file."""
    content = json.loads((demo / 'annotations/val.json').read_text())
    content['categories'].reverse()
    (tmp_path / 'reversed.json').write_text(json.dumps(content))
    content['categories'][0]['name'] = 'stone'
    (tmp_path / 'other.json').write_text(json.dumps(content))
    cfg = load_config(CONFIG, OPTIONS | {'data_root': f'{demo}/'})
    cfg.test_dataloader.dataset.ann_file = str(tmp_path / 'reversed.json')
    with own_scope(cfg):
        open_run(cfg, 'test', str(exported))
    assert list(cfg.test_dataloader.dataset.metainfo.classes) == CLASSES
    cfg = load_config(CONFIG, OPTIONS | {'data_root': f'{demo}/'})
    cfg.test_dataloader.dataset.ann_file = str(tmp_path / 'other.json')
    with pytest.raises(UserError, match='epoch_1.onnx was trained on other categories'):
        open_run(cfg, 'test', str(exported))


def test_a_detector_loads_it(checkpoint, exported, demo):
    """And finds the same, to a hundredth of a pixel, in images of several sizes."""
    detectors = [
        Detector(CONFIG, file, 'cpu', cfg_options=OPTIONS) for file in (checkpoint, exported)
    ]
    for path in sorted((demo / 'val').glob('*.jpg'))[:2]:
        for image in (read_image(path), read_image(path)[:90, :150]):
            image = np.ascontiguousarray(image[..., ::-1])
            a, b = (detector(image)[0].pred_instances for detector in detectors)
            assert len(a) > 5
            torch.testing.assert_close(a.bboxes, b.bboxes, rtol=0, atol=0.01)
            torch.testing.assert_close(a.scores, b.scores, rtol=0, atol=1e-4)
            assert torch.equal(a.labels, b.labels)
            assert (a.masks == b.masks).float().mean() > 0.999


@pytest.fixture(scope='module')
def batches(tmp_path_factory):
    """A file for batches, of a detector whose masks are of the image, and its checkpoint's detector."""
    path = tmp_path_factory.mktemp('batches') / 'a.pth'
    _draw(INS, INS_OPTIONS, path)
    out = path.with_suffix('.onnx')
    export_detector(INS, path, out, INS_OPTIONS, batch=True)
    return path, out


def test_a_file_for_batches_finds_in_each_image_what_the_detector_finds(batches, demo):
    """Boxes, and masks of the whole image; in a batch of three sizes, and in the one that run_onnx.py makes."""
    detectors = [Detector(INS, file, 'cpu', cfg_options=INS_OPTIONS) for file in batches]
    paths = sorted((demo / 'val').glob('*.jpg'))[:3]
    images = [
        np.ascontiguousarray(read_image(path)[: 90 + 20 * i, : 160 + 10 * i, ::-1])
        for i, path in enumerate(paths)
    ]
    wanted = [detectors[0](image)[0].pred_instances for image in images]
    alone = [detectors[1](image)[0].pred_instances for image in images]
    at_once = Detector(INS, batches[1], 'cpu', batch_size=3, cfg_options=INS_OPTIONS)
    together = [sample.pred_instances for sample in at_once(images)]
    for a, b, c in zip(wanted, alone, together, strict=True):
        assert len(a) > 5
        assert 0.01 < a.masks.float().mean() < 0.99
        for found in (b, c):
            torch.testing.assert_close(a.bboxes, found.bboxes, rtol=0, atol=0.01)
            torch.testing.assert_close(a.scores, found.scores, rtol=0, atol=1e-4)
            assert (a.masks == found.masks).float().mean() > 0.995
    spec = spec_from_file_location('run_onnx', ROOT / 'tools/deploy/run_onnx.py')
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    session, about = example.load(batches[1])
    image = Image.fromarray(images[0][..., ::-1])  # which is padded, but not resized
    boxes, scores, _, masks = example.detect(session, about, image, 0.0)
    there = wanted[0].bboxes.numpy()
    for place in np.argsort(-scores)[:3]:
        nearest = np.abs(there - boxes[place]).max(1).argmin()
        assert (masks[place] == wanted[0].masks[nearest].numpy()).mean() > 0.99


# As small as they can be, with queries for small images.
QUERIES = {
    'configs/dino/dino-4scale_green-swin-tiny-w7_8xb2-12e_coco.py': {
        'model.num_queries': 40,
        'model.test_cfg.max_per_img': 100,
        'model.encoder.num_layers': 1,
        'model.decoder.num_layers': 1,
        'model.bbox_head.num_classes': len(CLASSES),
        'model.neck.in_channels': [32, 64, 128],
        'model.data_preprocessor.pad_size_divisor': 32,
    },
    'configs/mask2former/mask2former_green-swin-tiny-w7_8xb2-lsj-50e_coco.py': {
        'model.panoptic_head.pixel_decoder.encoder.num_layers': 1,
        'model.panoptic_head.transformer_decoder.num_layers': 1,
        'model.panoptic_head.in_channels': [16, 32, 64, 128],
        'model.panoptic_head.num_things_classes': len(CLASSES),
        'model.panoptic_head.loss_cls.class_weight': [1.0] * len(CLASSES) + [0.1],
        'model.panoptic_fusion_head.num_things_classes': len(CLASSES),
    },
}


@pytest.mark.slow
@pytest.mark.parametrize('config', QUERIES)
def test_detectors_by_queries_are_evaluated_in_the_place_of_a_checkpoint(config, demo, tmp_path):
    """Of images half as large as they were, so that masks are resized; by a file for batches."""
    options = QUERIES[config] | {
        'model.backbone.arch': INS_OPTIONS['model.backbone.arch'],
        'model.backbone.window_size': 4,
        'model.backbone.init_cfg': None,
        'data_root': f'{demo}/',
        'test_dataloader.num_workers': 0,
        'test_dataloader.dataset.data_root': f'{demo}/',
        'test_dataloader.dataset.ann_file': 'annotations/val.json',
        'test_dataloader.dataset.data_prefix.img': 'val/',
        'test_dataloader.dataset.pipeline.1.scale': (96, 90),
        'test_evaluator.ann_file': f'{demo}/annotations/val.json',
    }
    checkpoint, exported = tmp_path / 'drawn.pth', tmp_path / 'drawn.onnx'
    _draw(ROOT / config, options, checkpoint)
    export_detector(ROOT / config, checkpoint, exported, options, batch=True)
    check_operators(exported)
    for file in (checkpoint, exported):
        evaluate(ROOT / config, file, tmp_path / file.suffix, options, report=False)
    kinds = ['bbox', 'segm'] if 'mask2former' in config else ['bbox']
    for kind in kinds:
        wanted, found = (
            detections(tmp_path / file.suffix, kind) for file in (checkpoint, exported)
        )
        assert len(wanted) == len(found) > 20
        distances = []
        for image in sorted({each['image_id'] for each in wanted})[:4]:
            some, others = (as_rows(each, image) for each in (wanted, found))
            assert len(some) == len(others)
            # Masks of drawn weights are scattered pixels, which resizing moves or loses.
            large = some[(some[:, 2:4] - some[:, :2]).min(1) > 16]
            distances.extend(np.abs(large[:, None] - others).max(2).min(1))
        assert len(distances) > 50
        assert (np.array(distances) < (4 if len(kinds) > 1 else 0.1)).mean() > 0.95


def as_rows(found, image):
    """Detections of an image, (N, 6), of which two that differ much are different ones; boxes are those of masks."""
    own = [each for each in found if each['image_id'] == image]
    boxes = [each.get('bbox') or mask_api.toBbox(each['segmentation']) for each in own]
    rows = [
        [x, y, x + w, y + h, 100 * each['score'], 1000 * each['category_id']]
        for each, (x, y, w, h) in zip(own, boxes, strict=True)
    ]
    return np.array(rows)


def test_large_images_are_seen_in_tiles_by_a_file_too(checkpoint, exported, demo):
    path = min((demo / 'val').glob('*.jpg'))
    (a,), (b,) = (
        Detector(CONFIG, file, 'cpu', tile=128, cfg_options=OPTIONS)(path)
        for file in (checkpoint, exported)
    )
    a, b = a.pred_instances, b.pred_instances
    assert len(a) == len(b) > 10
    torch.testing.assert_close(a.bboxes, b.bboxes, rtol=0, atol=0.01)
    overlaps = mask_api.iou(a.masks, b.masks, [False] * len(b)).diagonal()
    assert overlaps.mean() > 0.95  # of objects of few pixels, one may differ


def test_layers_of_eight_bits(exported, batches, demo, tmp_path, logged, monkeypatch):
    """They find most of the objects again, and a file that finds fewer than 19 in 20 is not written."""
    images = [np.array(read_image(path)) for path in sorted((demo / 'val').glob('*.jpg'))[:3]]
    out = tmp_path / 'new/small.onnx'
    with pytest.raises(UserError, match=r'eight bits find \d+% of the objects again, so nothing'):
        quantize(exported, out, images, 0.25)  # of drawn weights, whose scores lie close together
    assert not list(out.parent.iterdir())
    monkeypatch.setattr('mmgreen.deploy.quantized._LEAST', 0.5)
    quantize(batches[1], out, images, 0.5)
    said = re.search(r'Of 3 training images, layers of eight bits find (\d+)% of', logged.text)
    assert 50 <= int(said[1]) <= 100
    assert list(out.parent.iterdir()) == [out]
    assert out.stat().st_size < 0.6 * batches[1].stat().st_size
    assert open_runtime(out).about == open_runtime(batches[1]).about
    assert [i.shape for i in open_session(out).get_inputs()][0] == ['batch', 'height', 'width', 3]
    weights = {w.name: w.data_type for w in onnx.load(out).graph.initializer}
    assert list(weights.values()).count(onnx.TensorProto.INT8) > 20


def test_images_of_the_training_say_in_which_ranges(checkpoint, demo, tmp_path, monkeypatch):
    """Those of the config, as they are given to the file; and without them there is a sentence."""
    seen = []
    monkeypatch.setattr('mmgreen.deploy.export_onnx', lambda *args, **options: None)
    monkeypatch.setattr('mmgreen.deploy.quantize', lambda *args: seen.extend(args[2:]))
    options = OPTIONS | {'data_root': f'{demo}/'}
    export_detector(CONFIG, checkpoint, tmp_path / 'a.onnx', options, int8=True)
    (images, threshold) = seen
    assert threshold is None
    assert 16 <= len(images) <= 32
    first = read_image(demo / 'train' / min(p.name for p in (demo / 'train').glob('*.jpg')))
    assert any(np.array_equal(image, first) for image in images)
    with pytest.raises(UserError, match='has no training image that is there, and --int8'):
        export_detector(
            CONFIG, checkpoint, tmp_path / 'a.onnx', OPTIONS | {'data_root': 'none/'}, int8=True
        )
    with pytest.raises(UserError, match='16 bits or 8'):
        export_detector(CONFIG, checkpoint, tmp_path / 'a.onnx', options, int8=True, half=True)


# OpenVINO has threads of its own, and once took a process with it that started another one.
OPENVINO = """
import json, sys
import numpy as np
from mmgreen.deploy import quantize, ExportedDetector, open_runtime
from mmgreen.errors import UserError

exported, spoilt = sys.argv[1:]
ours, theirs = (open_runtime(exported, name) for name in ('onnxruntime', 'openvino'))
rng = np.random.default_rng(0)
found = []
for size in ((96, 128), (131, 67), (40, 300)):
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    both = zip(ours.run(image=image), theirs.run(image=image), strict=True)
    found.append([(len(a), a.shape == b.shape and float(np.abs(a - b).max())) for a, b in both])
refused = []
for file in (spoilt, 'none.onnx'):
    try:
        open_runtime(file, 'openvino')
    except UserError as error:
        refused.append(str(error))
same = ours.about == theirs.about and ExportedDetector(exported).about == json.loads(ours.about)
print(json.dumps(dict(found=found, refused=refused, same=same)))
"""


def test_openvino_finds_the_same(exported, tmp_path, monkeypatch):
    """In float32, to a hundredth of a pixel, in images of several sizes."""
    spoilt = tmp_path / 'spoilt.onnx'
    spoilt.write_bytes(b'no file of ONNX')
    monkeypatch.setenv('MMGREEN_RUNTIME', 'openvino')
    done = run_python('-c', OPENVINO, exported, spoilt)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    for outputs in said['found']:
        assert outputs[0][0] > 5
        assert all(difference is not False and difference < 0.01 for _, difference in outputs)
    assert said['same']
    unreadable, missing = said['refused']
    assert 'spoilt.onnx cannot be read as an ONNX file' in unreadable
    assert missing == 'none.onnx does not exist'


def test_a_runtime_that_is_not_there_is_named(exported, monkeypatch):
    monkeypatch.setenv('MMGREEN_RUNTIME', 'ncnn')
    with pytest.raises(UserError, match="no runtime 'ncnn' .*: take one of onnxruntime, tensorrt"):
        ExportedDetector(exported)
    if 'tensorrt' not in runtimes_here():
        with pytest.raises(UserError, match='no TensorRT here: pip install onnxruntime-gpu'):
            open_runtime(exported, 'tensorrt-fp16')
    monkeypatch.setattr('mmgreen.deploy.session.find_spec', lambda name: None)
    with pytest.raises(UserError, match='openvino must be installed: pip install openvino'):
        open_runtime(exported, 'openvino')
    assert runtimes_here() == []


@pytest.mark.gpu
@pytest.mark.parametrize('runtime', ['onnxruntime', 'tensorrt', 'tensorrt-fp16'])
def test_a_gpu_finds_the_same(runtime, exported):
    if 'CUDAExecutionProvider' not in onnxruntime.get_available_providers():
        pytest.skip('needs onnxruntime-gpu')
    if runtime not in runtimes_here():
        pytest.skip('needs tensorrt')
    options = dict(providers=['CPUExecutionProvider'])
    on_cpu = onnxruntime.InferenceSession(exported, **options)
    run, seconds = open_runtime(exported, runtime).run, []
    rng = np.random.default_rng(0)
    for size in ((96, 128), (131, 67), (320, 320)):
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        wanted, found = on_cpu.run(None, dict(image=image)), run(image=image)
        if runtime == 'tensorrt-fp16':
            assert _alike(wanted, found)
        else:
            assert len(found[0]) == len(wanted[0]) > 5
            np.testing.assert_allclose(found[0], wanted[0], atol=0.1)
        for _ in range(20):
            start = time.perf_counter()
            run(image=image)
            seconds.append(time.perf_counter() - start)
    print(f'\nMEASURED {runtime}: {1e3 * np.median(seconds):.1f} ms an image')


def test_its_speed_is_compared_with_the_detectors(checkpoint, exported, monkeypatch):
    monkeypatch.setattr('mmgreen.deploy.runtimes_here', lambda: ['onnxruntime'])
    table = time_exported(CONFIG, checkpoint, exported, (96, 128), 1, OPTIONS)
    _, _, torchs, ours = (line.split('|')[1:-1] for line in table.splitlines())
    assert (torchs[0].strip(), ours[0].strip()) == ('PyTorch', 'onnxruntime')
    assert float(ours[1]) == pytest.approx(exported.stat().st_size / 2**20, abs=0.1)
    assert float(ours[5].strip(' x')) == pytest.approx(float(torchs[2]) / float(ours[2]), rel=0.2)


def test_runs_where_only_onnxruntime_numpy_and_pillow_are(exported, demo, tmp_path):
    alone = tmp_path / 'packages'
    alone.mkdir()
    # flatbuffers, packaging and protobuf come with onnxruntime
    for name in ('onnxruntime', 'numpy', 'PIL', 'flatbuffers', 'packaging', 'google'):
        spec = find_spec(name)
        folder = Path(next(iter(spec.submodule_search_locations)))
        (alone / name).symlink_to(folder)
        for libraries in folder.parent.glob(f'{"pillow" if name == "PIL" else name}.libs'):
            (alone / libraries.name).symlink_to(libraries)
    image = sorted((demo / 'val').glob('*.jpg'))[0]
    tool, out = ROOT / 'tools/deploy/run_onnx.py', tmp_path / 'pictures'
    code = (
        f'import sys, runpy; sys.path.append({str(alone)!r}); '
        f'sys.argv = ["run_onnx.py", {str(exported)!r}, {str(image)!r}, "--out", {str(out)!r}, '
        '"--threshold", "0.2"]; '
        f'runpy.run_path({str(tool)!r}, run_name="__main__"); '
        'assert not {"torch", "mmdet", "mmgreen", "cv2"} & set(sys.modules)'
    )
    # -S: no packages but those above
    done = subprocess.run([sys.executable, '-I', '-S', '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    objects = int(done.stdout.split(': ')[1].split()[0])
    assert objects > 0
    (said,) = json.loads((out / 'detections.json').read_text()).values()
    assert len(said) == objects
    assert all(found['name'] in CLASSES and found['score'] >= 0.2 for found in said)
    before, after = (np.asarray(Image.open(p).convert('RGB')) for p in (image, out / image.name))
    assert before.shape == after.shape
    assert (np.abs(before.astype(int) - after) > 60).any()


def test_it_finds_what_the_detector_finds_on_photographs_of_a_phone(
    checkpoint, exported, demo, tmp_path
):
    """Pixels lie on their side, and EXIF says so."""
    for path in sorted((demo / 'val').glob('*.jpg'))[:3]:
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = Image.open(path).transpose(Image.Transpose.ROTATE_90)
        turned.save(tmp_path / path.name, quality=95, exif=exif)
    detector = Detector(CONFIG, checkpoint, threshold=0.3, cfg_options=OPTIONS)
    spec = spec_from_file_location('run_onnx', ROOT / 'tools/deploy/run_onnx.py')
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    session, about = example.load(exported)
    assert [example.colour_of(k) for k in range(90)] == [category_colour(k) for k in range(90)]
    for path, sample in zip(sorted(tmp_path.glob('*.jpg')), detector(tmp_path), strict=True):
        boxes, scores, _, _ = example.detect(session, about, example.read(path), 0.3)
        found = sample.pred_instances
        assert abs(len(boxes) - len(found)) <= 1, 'one may lie at the threshold'
        best = np.argsort(-scores)[:3]
        there = found.bboxes.cpu().numpy()
        for box in boxes[best]:
            assert np.abs(there - box).max(1).min() < 4


def test_a_file_of_another_kind_or_format_is_refused(exported, tmp_path):
    model = onnx.load(exported)
    about = json.loads(model.metadata_props[0].value)
    assert about['classes'] == CLASSES
    model.metadata_props[0].value = json.dumps(about | dict(format=9))
    newer, foreign, text = (tmp_path / f'{name}.onnx' for name in ('newer', 'foreign', 'text'))
    onnx.save(model, newer)
    del model.metadata_props[:]
    onnx.save(model, foreign)
    text.write_text('no model')
    for path, fault in (
        (newer, 'newer.onnx is of format 9, and mmgreen reads format 1: export'),
        (foreign, 'foreign.onnx was not written by mmgreen export'),
        (text, 'text.onnx cannot be read as an ONNX file'),
        (tmp_path / 'none.onnx', 'none.onnx does not exist'),
    ):
        with pytest.raises(UserError, match=fault):
            ExportedDetector(path)


def test_steps_that_a_file_cannot_do_are_refused(checkpoint, tmp_path):
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(640, 480), keep_ratio=True),
        dict(type='Pad', size=(640, 640), pad_val=dict(img=(114, 114, 114))),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='PackDetInputs'),
    ]
    assert preparation(steps) == [
        dict(op='resize', size=[640, 480], keep_ratio=True),
        dict(op='pad', size=[640, 640], value=[114, 114, 114]),
    ]
    with pytest.raises(UserError, match='test_pipeline has LoadImageFromFile, which'):
        preparation([dict(type='LoadImageFromFile', color_type='unchanged')])
    with pytest.raises(UserError, match='test_pipeline has mmgreen.LoadImage, which'):
        preparation([dict(type='mmgreen.LoadImage')])
    with pytest.raises(UserError, match=r'epoch_1\.bin must end in \.onnx'):
        export_detector(CONFIG, checkpoint, tmp_path / 'epoch_1.bin', OPTIONS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('kind', ['detector', 'pre-training'])
def test_a_backbone_sees_in_a_file_what_it_sees_here(checkpoint, tmp_path, kind):
    """Its features of an image, which search and clustering compare."""
    config, weights, options = CONFIG, checkpoint, OPTIONS
    if kind == 'pre-training':
        config = ROOT / 'configs/quickstart/greenmim_swin-nano_demo.py'
        options = {'model.backbone.arch.depths': [1, 1, 2]}
        weights = tmp_path / 'pretrained.pth'
        model = build_model(load_config(config, options))
        torch.save(dict(state_dict=model.state_dict()), weights)
    out = tmp_path / 'backbone.onnx'
    export_backbone(config, weights, out, options)
    runtime = open_runtime(out)
    (step,) = json.loads(runtime.about)['prepare']
    features = load_features(load_config(config, options), weights)
    rng = np.random.default_rng(0)
    found = []
    for size in ((192, 192), (96, 192)) if kind == 'detector' else ((192, 192),):
        image = rng.integers(0, 256, (*size, 3), np.uint8)
        assert step['size'] == [192, 192]
        (seen,) = runtime.run(image=image)
        np.testing.assert_allclose(seen, features(image[..., ::-1].copy()), rtol=1e-3, atol=1e-4)
        found.append(seen)
    assert np.ptp(found[0]) > 0.1
    with pytest.raises(UserError, match='of a backbone alone: export the detector'):
        ExportedDetector(out)
    with pytest.raises(UserError, match='must end in .pt2 or .onnx'):
        export_backbone(config, weights, tmp_path / 'backbone.pth', options)
