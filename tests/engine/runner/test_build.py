"""Runs that one process builds one after the other."""

import copy

import torch
from toy import toy_config, train

from mmgreen.config import load_config
from mmgreen.engine import build_model, lay_out

DETECT = 'configs/quickstart/mask-rcnn_green-swin-nano_fpn_demo.py'
LAST = torch.channels_last


def test_runs_that_begin_in_the_same_second_have_each_their_own_log(tmp_path):
    for run, name in enumerate(('the-same', 'the-same', 'another', 'the-same')):
        cfg = toy_config(tmp_path / str(run))
        cfg.experiment_name = name
        train(cfg)
        (figures,) = (tmp_path / str(run)).glob('*/vis_data/scalars.json')
        assert len(figures.read_text().splitlines()) == 14


def test_the_channels_of_a_pixel_are_kept_together_on_a_cpu_alone():
    """In R-CNNs; and maps are the same."""
    cfg = load_config(DETECT)
    usual = build_model(cfg).eval()
    laid_out = copy.deepcopy(usual)
    lay_out(laid_out, 'cuda')
    weight = laid_out.neck.fpn_convs[0].conv.weight
    assert not weight.is_contiguous(memory_format=LAST)
    lay_out(laid_out, 'cpu')
    assert laid_out.neck.fpn_convs[0].conv.weight.is_contiguous(memory_format=LAST)
    image = torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for one, other in zip(*(m.extract_feat(image) for m in (usual, laid_out)), strict=True):
            assert other.is_contiguous(memory_format=LAST)
            torch.testing.assert_close(one, other)
