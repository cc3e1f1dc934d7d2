"""Backbones in safetensors, and in folders that timm and this project load."""

import json

import pytest
import timm
import torch
from helpers import TINY, small_swin

from mmgreen.apis import convert_checkpoint
from mmgreen.checkpoints import read_checkpoint
from mmgreen.errors import UserError
from mmgreen.registry import MODELS


@pytest.fixture(scope='module')
def backbone():
    """One of a detector, with a norm for each stage."""
    return small_swin(out_indices=(0, 1, 2, 3))


@pytest.fixture(scope='module')
def checkpoint(backbone, tmp_path_factory):
    path = tmp_path_factory.mktemp('model') / 'epoch_12.pth'
    torch.save(
        dict(state_dict={f'backbone.{k}': v for k, v in backbone.state_dict().items()}), path
    )
    return path


@pytest.fixture(scope='module')
def folder(checkpoint):
    out = checkpoint.parent / 'swin-on-fruit'
    convert_checkpoint(checkpoint, out, 'timm')
    return out


def restored(source):
    model = MODELS.build(
        dict(
            type='GreenSwinTransformer',
            arch=TINY,
            window_size=7,
            init_cfg=dict(type='Pretrained', checkpoint=str(source)),
        )
    )
    model.init_weights()
    return model


def test_timm_creates_the_model_of_a_folder(backbone, folder):
    assert {p.name for p in folder.iterdir()} == {'README.md', 'config.json', 'model.safetensors'}
    model = timm.create_model(f'local-dir:{folder}', pretrained=True).eval()
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(
            model.forward_features(images).permute(0, 3, 1, 2),
            backbone(images)[-1],
            atol=1e-4,
            rtol=1e-4,
        )
    card = (folder / 'README.md').read_text()
    assert 'library_name: timm' in card
    assert 'what `epoch_12.pth` holds' in card
    assert '16 channels, depths 2-2-2-2' in card
    assert json.loads((folder / 'config.json').read_text())['num_features'] == 128


def test_training_starts_from_a_folder_and_from_the_hub(backbone, folder, monkeypatch):
    asked = []

    def download(repository, file, revision=None):
        asked.append((repository, file, revision))
        return folder / file

    monkeypatch.setattr('huggingface_hub.hf_hub_download', download)
    wanted = backbone.stages.state_dict()
    for source in (folder, 'hf://fruit/swin', 'hf://fruit/swin@v2'):
        for name, weight in restored(source).stages.state_dict().items():
            assert torch.equal(weight, wanted[name]), (source, name)
    weights = 'model.safetensors'
    assert asked == [('fruit/swin', weights, None), ('fruit/swin', weights, 'v2')]


def test_a_hub_that_does_not_answer_is_one_sentence(monkeypatch):
    def download(repository, file, revision=None):
        raise OSError('no network\nand more')

    monkeypatch.setattr('huggingface_hub.hf_hub_download', download)
    with pytest.raises(
        UserError, match=r'model.safetensors of hf://a/b cannot be read: no network$'
    ):
        read_checkpoint('hf://a/b')


def test_a_safetensors_file_is_written_and_starts_training(backbone, checkpoint, tmp_path):
    convert_checkpoint(checkpoint, tmp_path / 'backbone.safetensors')
    found = restored(tmp_path / 'backbone.safetensors').stages.state_dict()
    assert all(torch.equal(found[k], v) for k, v in backbone.stages.state_dict().items())


def test_only_timms_layout_is_a_folder(checkpoint, tmp_path):
    with pytest.raises(UserError, match='has no ending, as a folder has'):
        convert_checkpoint(checkpoint, tmp_path / 'folder')
    assert not list(tmp_path.iterdir())
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='no checkpoint of a training .* and no model.safetensors'):
        read_checkpoint(str(tmp_path / 'empty'))
