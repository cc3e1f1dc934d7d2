"""Nearest neighbours and linear layers against references, and through the tool on photographs."""

import re

import pytest
import torch
from helpers import ROOT, run_tool

from mmgreen.apis import classify_by_neighbours
from mmgreen.evaluation import knn_predict, linear_predict


def test_scores_equal_a_vote_counted_by_hand():
    bank, features = torch.randn(30, 5) + 3, torch.randn(7, 5) + 3
    labels = torch.randint(0, 4, (30,))
    scores = knn_predict(features, bank, labels, num_classes=4, k=6, temperature=0.2)

    mean, deviation = bank.mean(0), bank.std(0, unbiased=False)
    for x, row in zip((features - mean) / deviation, scores, strict=True):
        cosines = torch.tensor(
            [torch.dot(x, y) / x.norm() / y.norm() for y in (bank - mean) / deviation]
        )
        votes = torch.zeros(4)
        for i in cosines.argsort(descending=True)[:6]:
            votes[labels[i]] += torch.exp((cosines[i] - 1) / 0.2)
        torch.testing.assert_close(row, votes, atol=1e-6, rtol=1e-5)


def test_clusters_are_told_apart():
    centres = torch.eye(4).repeat_interleave(8, 0)
    labels = torch.arange(4).repeat_interleave(8)
    bank = centres + 0.05 * torch.randn(32, 4)
    scores = knn_predict(centres, bank, labels, num_classes=4, k=100)  # more than there are
    assert torch.equal(scores.argmax(1), labels)


def test_a_small_temperature_does_not_overflow():
    bank = torch.randn(20, 3)
    scores = knn_predict(bank, bank, torch.arange(20), 20, k=5, temperature=1e-4)
    assert torch.isfinite(scores).all()
    assert torch.equal(scores.argmax(1), torch.arange(20))


def test_a_linear_layer_finds_the_minimum_of_its_loss():
    """At the minimum the gradient vanishes; that of the loss written out, by autograd."""
    torch.manual_seed(0)
    truth = torch.randn(5, 3)
    bank, features = torch.randn(60, 5) * 2 + 1, torch.randn(9, 5) * 2 + 1
    labels = (bank @ truth).argmax(1)
    scores = linear_predict(features, bank, labels, num_classes=3)

    mean, deviation = bank.mean(0), bank.std(0, unbiased=False)
    inputs = torch.cat([(features - mean) / deviation, torch.ones(9, 1)], 1).double()
    layer = torch.linalg.lstsq(inputs, scores.double()).solution.requires_grad_()
    seen = torch.cat([(bank - mean) / deviation, torch.ones(60, 1)], 1).double()
    loss = -(seen @ layer).log_softmax(1)[range(60), labels].mean()
    (gradient,) = torch.autograd.grad(loss, layer)
    weights, biases = gradient[:-1], gradient[-1]
    decay = -(weights * layer[:-1]).sum() / layer[:-1].square().sum()  # gradient + decay * w = 0
    assert min(abs(decay / d - 1) for d in (1e-4, 1e-3, 1e-2, 1e-1)) < 0.02
    assert (weights + decay * layer[:-1]).abs().max() < 1e-4
    assert biases.abs().max() < 1e-4
    assert (scores.argmax(1) == (features @ truth).argmax(1)).float().mean() > 0.7


CONFIG = 'configs/quickstart/green-swin-nano_imagenette.py'


def test_photographs_are_classified_above_chance(imagenette):
    """All 1,300 images, by half a net: fewer images would tell less from chance."""
    done = run_tool(
        *('tools/analysis/knn.py', CONFIG, '--k', 20, '--linear', '--cfg-options'),
        *(f'data_root={imagenette}/', 'model.backbone.init_cfg=None'),
        'model.backbone.arch.depths=[1,1,2,1]',
        *('val_dataloader.num_workers=0', 'val_dataloader.persistent_workers=False'),
    )
    assert done.returncode == 0, done.stderr
    assert '1000 images in the bank, 300 classified' in done.stdout
    top1 = float(re.search(r'\| 20 +\| ([\d.]+)', done.stdout)[1])
    assert 15 < top1 < 60  # colours alone tell some classes apart; chance is 10
    linear = float(re.search(r'linear +\| ([\d.]+)', done.stdout)[1])
    assert 15 < linear < 60
    assert re.search(r'chance +\| 10\.0 +\| 50\.0', done.stdout)


def test_a_seed_draws_the_weights_that_no_checkpoint_has(imagenette, monkeypatch):
    drawn = []

    def extract(model, loader, device):
        drawn.append(model.backbone.patch_embed.projection.weight.clone())
        return torch.randn(20, 8), torch.arange(20) % 10

    monkeypatch.setattr('mmgreen.apis.neighbours._extract', extract)
    options = {'data_root': f'{imagenette}/', 'model.backbone.init_cfg': None}
    for seed in (3, 3, 4):
        classify_by_neighbours(CONFIG, cfg_options=options | {'randomness.seed': seed})
    first, same, other = drawn[::2]
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ('config', 'options', 'words'),
    [
        (CONFIG, [], 'does not exist'),  # nothing was pre-trained yet
        ('configs/quickstart/greenmim_swin-nano_demo.py', [], 'is not a classification config'),
        (CONFIG, ['model.backbone.init_cfg.checkpoint='], 'is empty'),
    ],
)
def test_what_is_wrong_is_said(imagenette, config, options, words):
    done = run_tool(
        *('tools/analysis/knn.py', ROOT / config, '--cfg-options', f'data_root={imagenette}/'),
        *options,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert 'Traceback' not in done.stderr


def test_pieces_give_what_the_whole_gives(monkeypatch):
    torch.manual_seed(0)
    features, bank, labels = torch.randn(37, 6), torch.randn(50, 6), torch.randint(0, 4, (50,))
    whole = knn_predict(features, bank, labels, 4, k=7)
    monkeypatch.setattr('mmgreen.evaluation.knn._AT_ONCE', 200)  # four rows at a time
    torch.testing.assert_close(knn_predict(features, bank, labels, 4, k=7), whole)
