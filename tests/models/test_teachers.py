"""Teachers of every kind: each says what the library that it is from says of the same images."""

import copy
import json

import pytest
import timm
import torch
import torch.nn.functional as F
from helpers import greenmim_config, randomise, small_greenmim
from mmengine.config import Config
from torch import nn

from mmgreen.errors import UserError
from mmgreen.models.teachers import Teacher
from mmgreen.models.teachers.onnx_net import quick
from mmgreen.registry import MODELS

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
NORMALISED = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def preprocessed(pixels, mean=MEAN, std=STD):
    """As the default recipe does it, of pixels between 0 and 255."""
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (mean, std))
    return (pixels - mean) / std


def taught(model, checkpoint=None, unit=16, **kwargs):
    """A teacher of units of 16 pixels."""
    return Teacher(model, checkpoint, unit=unit, **kwargs)


@pytest.fixture(scope='module')
def pixels():
    generator = torch.Generator().manual_seed(0)
    return F.interpolate(255 * torch.rand(2, 3, 8, 12, generator=generator), (64, 96))


@pytest.fixture
def said(monkeypatch):
    """Lines of the log."""
    lines = []
    for file in ('teacher', 'onnx_net'):
        monkeypatch.setattr(
            f'mmgreen.models.teachers.{file}.print_log', lambda line, **kwargs: lines.append(line)
        )
    return lines


def of_net(pixels, size=None):
    """Images as nets of ImageNet want them."""
    mean, std = (v.view(3, 1, 1) for v in NORMALISED)
    x = (pixels / 255 - mean) / std
    return x if size is None else F.interpolate(x, size, mode='bicubic', antialias=True)


def normalised(*maps):
    maps = [F.adaptive_avg_pool2d(m, (4, 6)).permute(0, 2, 3, 1) for m in maps]
    return torch.cat([F.layer_norm(m, m.shape[-1:], eps=1e-6) for m in maps], 3).permute(0, 3, 1, 2)


@pytest.mark.parametrize('kind', ['dinov2', 'dinov3', 'resnet'])
def test_folders_of_hugging_face(kind, pixels, tmp_path, said):
    transformers = pytest.importorskip('transformers')
    torch.manual_seed(0)
    small = dict(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=56,
    )
    net = {
        'dinov2': lambda: transformers.Dinov2Model(
            transformers.Dinov2Config(patch_size=14, **small)
        ),
        'dinov3': lambda: transformers.DINOv3ViTModel(
            transformers.DINOv3ViTConfig(patch_size=16, num_register_tokens=4, **small)
        ),
        'resnet': lambda: transformers.ResNetModel(
            transformers.ResNetConfig(
                embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]
            )
        ),
    }[kind]()
    net.save_pretrained(tmp_path)
    (tmp_path / 'README.md').write_text('---\nlicense: dinov3-license\n---\n')
    scale = dict(image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.4])
    (tmp_path / 'preprocessor_config.json').write_text(json.dumps(scale))
    teacher = taught(str(tmp_path), depths=(1, 2) if kind != 'resnet' else (2, 3))
    assert 'licence dinov3-license' in said[-1]
    patch = dict(dinov2=14, dinov3=16, resnet=32)[kind]
    assert teacher.strides == ([patch] * 2 if kind != 'resnet' else [16, 32])

    mean, std = (torch.tensor(v).view(3, 1, 1) for v in scale.values())
    x = (pixels / 255 - mean) / std
    if patch != 16:
        x = F.interpolate(x, (4 * patch, 6 * patch), mode='bicubic', antialias=True)
    with torch.no_grad():
        states = net.eval()(pixel_values=x, output_hidden_states=True).hidden_states
    if kind == 'resnet':
        expected = normalised(*states[-2:])
    else:  # states[0] is before the first block
        expected = normalised(
            *(s[:, -24:].transpose(1, 2).unflatten(2, (4, 6)) for s in states[2:4])
        )
    torch.testing.assert_close(
        teacher.features(preprocessed(pixels)), expected, atol=1e-3, rtol=1e-3
    )


def test_a_net_of_the_hub(tmp_path, monkeypatch):
    transformers = pytest.importorskip('transformers')
    config = transformers.Dinov2Config(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    transformers.Dinov2Model(config).save_pretrained(tmp_path)
    asked = []

    def download(repository, revision, allow_patterns):
        asked.append((repository, revision))
        if repository == 'no/net':
            raise OSError('404\nmore')
        return tmp_path

    monkeypatch.setattr('huggingface_hub.snapshot_download', download)
    assert taught('hf://some/net@v1').channels == [32]
    with pytest.raises(UserError, match='teacher hf://no/net cannot be downloaded: 404$'):
        taught('hf://no/net')
    assert asked == [('some/net', 'v1'), ('no/net', None)]


def test_a_folder_that_lacks_weights_is_refused(tmp_path):
    transformers = pytest.importorskip('transformers')
    from safetensors.torch import load_file, save_file

    config = transformers.Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=2)
    transformers.Dinov2Model(config).save_pretrained(tmp_path)
    weights = load_file(tmp_path / 'model.safetensors')
    weights.pop('encoder.layer.1.mlp.fc1.weight')
    save_file(weights, tmp_path / 'model.safetensors', metadata=dict(format='pt'))
    with pytest.raises(UserError, match='lacks 1 of its weights, such as .*layer.1.mlp.fc1.weight'):
        taught(str(tmp_path))


def test_a_folder_of_timm(pixels, tmp_path):
    from timm.models import save_for_hf

    net = timm.create_model('test_efficientnet').eval()
    save_for_hf(net, tmp_path)
    teacher = taught(str(tmp_path), depths=(3, 4))
    own = timm.create_model('test_efficientnet', features_only=True, out_indices=(3, 4))
    own.load_state_dict(teacher.net.module.state_dict())
    for name, value in own.state_dict().items():
        assert torch.equal(value, net.state_dict()[name.replace('blocks_', 'blocks.')])
    assert teacher.features(preprocessed(pixels)).shape[2:] == (4, 6)


@pytest.mark.parametrize(
    ('model', 'strides'),
    [
        ('resnet18_8xb32_in1k', [16, 32]),
        ('swin-tiny_16xb64_in1k', [16, 32]),
        ('convnext-tiny_32xb128_in1k', [16, 32]),
        ('deit-tiny_4xb256_in1k', [16, 16]),
    ],
)
def test_every_backbone_of_mmpretrain_gives_maps(model, strides):
    teacher = taught(model, checkpoint='', depths=(2, 3))
    assert teacher.strides == strides
    assert [m.shape[2:] for m in teacher.net.maps(torch.zeros(1, 3, 32, 64))] == [
        (32 // stride, 64 // stride) for stride in strides
    ]
    assert teacher.net.mean == pytest.approx([0.485, 0.456, 0.406], abs=1e-3)


def small_resnet(path, **preprocessor):
    """A config of mmpretrain and a checkpoint of it, within a classifier."""
    cfg = Config(
        dict(
            model=dict(
                type='ImageClassifier',
                backbone=dict(type='mmpretrain.ResNet', depth=18, base_channels=4, stem_channels=4),
            ),
            data_preprocessor=preprocessor,
        )
    )
    (path / 'net.py').write_text(cfg.pretty_text)
    net = MODELS.build(cfg.model.backbone)
    randomise(net)
    net.eval()
    state = {f'backbone.{name}': value for name, value in net.state_dict().items()}
    torch.save(dict(state_dict=state | {'head.fc.weight': torch.zeros(2, 2)}), path / 'net.pth')
    return net


@pytest.mark.parametrize('rgb', [True, False])
def test_a_config_and_a_checkpoint_of_openmmlab(rgb, pixels, tmp_path):
    net = small_resnet(tmp_path, mean=[10.0, 20.0, 30.0], std=[50.0, 60.0, 70.0], to_rgb=rgb)
    teacher = taught(str(tmp_path / 'net.py'), str(tmp_path / 'net.pth'))
    x = preprocessed(pixels if rgb else pixels.flip(1), (10.0, 20.0, 30.0), (50.0, 60.0, 70.0))
    x = F.interpolate(x, (128, 192), mode='bicubic', antialias=True)
    with torch.no_grad():
        expected = normalised(*net(x))
    torch.testing.assert_close(
        teacher.features(preprocessed(pixels)), expected, atol=1e-3, rtol=1e-3
    )
    state = torch.load(tmp_path / 'net.pth')['state_dict']
    state.pop('backbone.layer4.0.conv1.weight')
    torch.save(dict(state_dict=state), tmp_path / 'net.pth')
    with pytest.raises(UserError, match='lacks 1 weights of the teacher, such as layer4.0.conv1'):
        taught(str(tmp_path / 'net.py'), str(tmp_path / 'net.pth'))


def test_a_checkpoint_of_this_project(pixels, tmp_path):
    model = small_greenmim()
    cfg = Config(dict(model=greenmim_config()))
    path = str(tmp_path / 'iter_1.pth')
    torch.save(dict(state_dict=model.state_dict(), meta=dict(cfg=cfg.pretty_text)), path)
    teacher = taught(path)
    own = model.backbone
    for name, value in teacher.net.module.state_dict().items():
        assert torch.equal(value, own.state_dict()[name])
    assert (teacher.channels, teacher.strides) == ([128], [32])
    torch.save(dict(state_dict=model.state_dict()), path)
    with pytest.raises(UserError, match='says not what net it is of: name the config'):
        taught(path)


class Two(nn.Module):
    """A map, what is none, and tokens after one of another kind."""

    def __init__(self):
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 4, 8, 8), nn.Conv2d(3, 6, 16, 16)

    def forward(self, x):
        tokens = self.coarse(x).flatten(2).transpose(1, 2)
        return self.fine(x), x.mean((2, 3)), torch.cat([tokens[:, :1], tokens], 1)


@pytest.mark.parametrize('batch', [1, 'any'])
def test_an_onnx_file(batch, pixels, tmp_path):
    pytest.importorskip('onnxruntime')
    torch.manual_seed(0)
    net, path = Two(), str(tmp_path / 'net.onnx')
    axes = {0: 'batch', 2: 'height', 3: 'width'} if batch == 'any' else {2: 'height', 3: 'width'}
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, 64, 64),),
        path,
        dynamo=False,
        input_names=['x'],
        dynamic_axes={'x': axes},
    )
    teacher = taught(path, depths=(0, 1))
    assert (teacher.channels, teacher.strides) == ([4, 6], [8, 16])
    with torch.no_grad():
        x = of_net(pixels)
        expected = normalised(net.fine(x), net.coarse(x))
    torch.testing.assert_close(teacher.features(preprocessed(pixels)), expected, atol=1e-4, rtol=0)
    with pytest.raises(UserError, match='has 2 outputs that are maps'):
        taught(path, depths=(2,))


def test_an_onnx_file_of_one_size(pixels, tmp_path):
    pytest.importorskip('onnxruntime')
    path = str(tmp_path / 'net.onnx')
    torch.onnx.export(Two(), (torch.zeros(2, 3, 32, 32),), path, dynamo=False, input_names=['x'])
    teacher = taught(path, depths=(0,))
    assert teacher.features(preprocessed(pixels)).shape == (2, 4, 4, 6)


def test_onnxruntime_computes_the_same(pixels):
    pytest.importorskip('onnxruntime')
    torch.manual_seed(0)
    net = timm.create_model('test_efficientnet', features_only=True).eval().requires_grad_(False)
    calls = []
    maps = quick(net, lambda x: calls.append(0) or net(x))
    with torch.no_grad():
        for images in (pixels, pixels[:1], pixels):
            for found, expected in zip(maps(images), net(images), strict=True):
                torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
        seen = len(calls)
        maps(pixels + 1)
    assert seen
    assert len(calls) == seen  # PyTorch is asked about new shapes only


def test_what_onnxruntime_cannot_compute_stays_with_pytorch(pixels, said):
    """As what follows from the values in a way that an exporter does not see."""
    pytest.importorskip('onnxruntime')

    class Counts(nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return (x * self.calls,)

    net = Counts()
    maps = quick(net, net)
    maps(pixels)
    assert 'onnxruntime finds other values' in said[-1]
    before = net.calls
    assert torch.equal(maps(pixels)[0], pixels * (before + 1))


@pytest.mark.parametrize(
    ('mean', 'rgb'),
    [(MEAN, True), (MEAN[::-1], False), ((0.0, 10.0, 20.0), True), (None, True), (None, False)],
)
def test_it_sees_the_image_however_it_is_preprocessed(mean, rgb, pixels):
    """Means, deviations and the order of channels are those of the model's own preprocessor."""
    torch.manual_seed(0)
    head = dict(
        type='TeacherHead', teacher=dict(model='test_efficientnet', checkpoint='', depths=(3,))
    )
    std = None if mean is None else (50.0, 60.0, 70.0)
    scale = dict(type='mmgreen.SelfSupDataPreprocessor', mean=mean, std=std, bgr_to_rgb=rgb)
    model = MODELS.build(greenmim_config(head=head, data_preprocessor=scale))
    reference = taught('test_efficientnet', '', 32, depths=(3,))
    reference.net.module.load_state_dict(model.head.teacher.net.module.state_dict())
    expected = reference.features(preprocessed(pixels))
    images = model.data_preprocessor(dict(inputs=pixels.flip(1), data_samples=None))[
        'inputs'
    ]  # as OpenCV's
    found = model.head.teacher.features(images)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_channels_may_be_whitened_over_the_batch(pixels):
    teacher = taught('test_efficientnet', '', depths=(2, 3), norm='channel')
    found = teacher.features(preprocessed(pixels))
    torch.testing.assert_close(
        found.mean((0, 2, 3)), torch.zeros(found.shape[1]), atol=1e-4, rtol=0
    )
    variance = found.var((0, 2, 3), unbiased=False)
    assert variance.median() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ('enlarge', 'stride', 'unit', 'size'),
    [
        (None, 32, 16, (128, 192)),  # a place is a unit
        (None, 32, 32, (64, 96)),
        (None, 16, 32, (64, 96)),  # a unit is four places
        (None, 14, 32, (56, 84)),
        (None, 14, 16, (56, 84)),
        (1.0, 32, 16, (64, 96)),
        (1.4, 32, 16, (96, 128)),
        (0.1, 32, 16, (32, 32)),
    ],
)
def test_the_scale_of_what_it_sees(enlarge, stride, unit, size, pixels):
    teacher = taught('test_efficientnet', '', unit, depths=(4,), enlarge=enlarge)
    teacher.strides, seen = [stride], []
    teacher._maps = lambda x: seen.append(tuple(x.shape[2:])) or [x]
    assert teacher.features(preprocessed(pixels)).shape[2:] == (64 // unit, 96 // unit)
    assert seen == [size]


def test_visible_units_may_be_predicted_too():
    """The loss is that of all units, or of the hidden ones."""
    head = dict(type='TeacherHead', teacher=dict(model='test_efficientnet', checkpoint=''))
    for unit in (32, 16):
        losses = {}
        for visible in (True, False):
            torch.manual_seed(0)
            model = MODELS.build(greenmim_config(head=head | dict(visible=visible), unit_size=unit))
            randomise(model)
            images = torch.randn(2, 3, 224, 224)
            layout = model.build_layout(0, images)
            model.layouts.take, model.layouts.prepare = (lambda _, at=layout: at), (lambda _: None)
            losses[visible] = model.loss(images)['loss']
            mask = torch.zeros((224 // unit) ** 2, dtype=torch.bool)
            mask[layout.masked.long().flatten()] = True
            pred = model.reconstruct(images, mask.view(1, 224 // unit, -1))['pred']
            units = torch.arange(len(mask), dtype=torch.int32)[None]
            error = (pred - model.head.target(images, units)).square().mean((0, 2))
            expected = error.mean() if visible else error[mask].mean()
            torch.testing.assert_close(losses[visible], expected, atol=1e-4, rtol=1e-4)
        assert losses[True] != losses[False]


def test_a_copy_of_the_model_has_the_same_teacher():
    """As an average of its weights has, which would hold a second net."""
    head = dict(type='TeacherHead', teacher=dict(model='test_efficientnet', checkpoint=''))
    model = MODELS.build(greenmim_config(head=head))
    assert copy.deepcopy(model).head.teacher is model.head.teacher


def test_the_log_says_once_what_it_costs(said, pixels):
    teacher = taught('test_efficientnet', '')
    for _ in range(12):
        teacher.features(preprocessed(pixels))
    assert '0.1 million parameters, 0 MiB, channels [48], licence apache-2.0' in said[0]
    (line,) = [line for line in said if 'ms a step' in line]
    assert line.endswith('for 2 images of 64x96')


@pytest.mark.parametrize(
    ('unit', 'stride', 'size'), [(8, 8, 64), (16, 16, 64), (32, 32, 64), (4, 4, 64), (2, 2, 64)]
)
def test_by_default_the_map_of_units_is_learnt(unit, stride, size, tmp_path):
    teacher = taught('test_efficientnet', '', unit)
    assert teacher.strides == [stride]
    assert teacher._input_size(torch.zeros(1, 3, size, size)) == (size, size)
    transformers = pytest.importorskip('transformers')
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]
    )
    transformers.ResNetModel(config).save_pretrained(tmp_path)
    assert taught(str(tmp_path), unit=unit).strides == [max(4, stride) if unit > 2 else 32]


def test_images_of_other_channels_are_refused():
    with pytest.raises(UserError, match='sees red, green and blue, and the images have 4 channels'):
        taught('test_efficientnet', '').features(torch.zeros(1, 4, 64, 64))


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        (dict(model='no_such_net'), "teacher 'no_such_net' is no net of timm or mmpretrain"),
        (dict(model='nowhere.onnx'), 'teacher nowhere.onnx does not exist'),
        (dict(model='nowhere.py'), 'nowhere.py does not exist'),
        (dict(model='nowhere.pth'), 'nowhere.pth does not exist'),
        (
            dict(model='test_vit', norm='whole'),
            "teacher.norm 'whole' is unknown: choose from place",
        ),
    ],
)
def test_teachers_that_are_not_there(settings, words):
    with pytest.raises(UserError, match=words):
        taught(**settings)


def test_a_folder_that_is_no_net_is_refused(tmp_path):
    with pytest.raises(UserError, match=r'is a folder without config\.json'):
        taught(str(tmp_path))
