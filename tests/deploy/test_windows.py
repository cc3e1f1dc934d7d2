"""A backbone exported is the backbone, on images of any size."""

import copy

import pytest
import torch
from helpers import small_swin

from mmgreen.deploy import export_program, make_windows_symbolic
from mmgreen.errors import UserError


@pytest.mark.parametrize(
    ('size', 'pad_small_map'), [((224, 256), True), ((64, 96), True), ((256, 352), False)]
)
def test_symbolic_windows_are_windows(size, pad_small_map):
    backbone = small_swin(out_indices=(0, 1, 2, 3), pad_small_map=pad_small_map)
    symbolic = copy.deepcopy(backbone)
    make_windows_symbolic(symbolic)
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        for a, b in zip(backbone(x), symbolic(x), strict=True):
            torch.testing.assert_close(a, b)


def test_a_backbone_is_exported(tmp_path):
    arch = dict(embed_dims=8, depths=[1, 2], num_heads=[1, 2])
    backbone = small_swin(arch=arch, window_size=4, out_indices=(0, 1), pad_small_map=True)
    export_program(copy.deepcopy(backbone), tmp_path / 'backbone.pt2')
    program = torch.export.load(tmp_path / 'backbone.pt2').module()
    for shape in ((1, 3, 64, 96), (3, 3, 224, 128)):
        x = torch.randn(shape)
        with torch.no_grad():
            for a, b in zip(backbone(x), program(x), strict=True):
                torch.testing.assert_close(a, b)
    with pytest.raises(UserError, match='Linear cannot be exported as a .pt2 file'):
        export_program(torch.nn.Linear(2, 2), tmp_path / 'linear.pt2')
