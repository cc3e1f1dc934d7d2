"""Two processes compute what one does."""

import os

import pytest
import torch
from helpers import ROOT, Running
from two_processes import SEED, STEP, model_and_images

from mmgreen.sparse import random_mask


def layout_of_both(model, images, sharing, monkeypatch):
    """The masks that the two processes draw, for one process that has all the images."""
    import mmgreen.models.selfsup.greenmim as module

    drawn = {}
    for rank in (0, 1):
        monkeypatch.setattr(module, 'get_rank', lambda rank=rank: rank)
        torch.manual_seed(SEED)
        drawn[rank] = model.build_layout(STEP, images[rank::2])
    return drawn


@pytest.mark.parametrize('sharing', ['batch', 'sample'])
def test_loss_and_gradients_are_those_of_one_process(tmp_path, monkeypatch, sharing):
    monkeypatch.setenv('PYTHONPATH', f'{ROOT}/tests:{os.environ.get("PYTHONPATH", "")}')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    run = Running(
        tmp_path / 'log',
        *('tools/launch.py', '--rdzv-backend', 'c10d', '--rdzv-endpoint', 'localhost:0'),
        *('--nproc-per-node', 2, 'tests/models/two_processes.py', tmp_path / 'two.pth', sharing),
    )
    assert run.end() == 0, run.log.read_text()[-3000:]
    two = torch.load(tmp_path / 'two.pth', weights_only=True)

    model, images = model_and_images(sharing)
    drawn = layout_of_both(model, images, sharing, monkeypatch)
    assert not torch.equal(drawn[0].masked, drawn[1].masked)
    loss = 0
    for rank, layout in drawn.items():
        monkeypatch.setattr(model.layouts, 'take', lambda images, layout=layout: layout)
        part = model.loss(images[rank::2])['loss'] / 2
        part.backward()
        loss = loss + part
    assert loss.item() == pytest.approx(two['loss'].item(), abs=1e-5)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(two['gradients'][name], parameter.grad, rtol=1e-5, atol=1e-5)

    # Of both wrappers, and both processes.
    (usual, other), (flat, also) = two['steps']
    assert torch.equal(usual, other)
    assert torch.equal(flat, also)
    torch.testing.assert_close(flat, usual, rtol=1e-5, atol=1e-6)


def test_a_batch_of_masks_is_that_of_its_parts(monkeypatch):
    """A mask for each sample: all images at once give the mean of both halves."""
    model, images = model_and_images('sample')
    masks = random_mask(7, 7, num_masks=4)

    def loss(part, masks):
        layout = model.backbone.build_layout((224, 224), masks)
        monkeypatch.setattr(model.layouts, 'take', lambda images: layout)
        model.zero_grad()
        loss = model.loss(part)['loss']
        loss.backward()
        return loss.item(), [p.grad.clone() for p in model.parameters()]

    whole, gradients = loss(images, masks)
    halves = [loss(images[i::2], masks[i::2]) for i in (0, 1)]
    assert whole == pytest.approx((halves[0][0] + halves[1][0]) / 2, abs=1e-5)
    for gradient, first, second in zip(gradients, halves[0][1], halves[1][1], strict=True):
        torch.testing.assert_close(gradient, (first + second) / 2, rtol=1e-5, atol=1e-5)
