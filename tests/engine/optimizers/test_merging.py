"""Few parameter groups, which train as many do."""

import copy

import pytest
import torch
from helpers import ROOT, small_greenmim
from mmengine.optim import CosineAnnealingLR, build_optim_wrapper

from mmgreen.config import load_config
from mmgreen.engine import optimizers
from mmgreen.engine.optimizers import merge_checkpoint

RECIPE = 'configs/greenmim/greenmim_swin-base-w7_8xb256-amp-coslr-100e_in1k.py'


def wrapper_of(model, constructor, fused=False):
    """The recipe's optimizer, in float32."""
    settings = load_config(str(ROOT / RECIPE)).optim_wrapper
    optimizer = dict(settings.optimizer, fused=fused)
    return build_optim_wrapper(
        model,
        dict(optimizer=optimizer, paramwise_cfg=settings.paramwise_cfg, constructor=constructor),
    )


def train(model, wrapper, steps, scheduler=None, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.randn(parameter.shape, generator=generator)
        wrapper.optimizer.step()
        if scheduler:
            scheduler.step()


@pytest.fixture
def models():
    torch.manual_seed(0)
    one = small_greenmim()
    return one, copy.deepcopy(one)


@pytest.mark.parametrize('fused', [False, True])
def test_a_recipe_has_two_groups_and_trains_the_same(models, fused):
    many = wrapper_of(models[0], 'DefaultOptimWrapperConstructor')
    few = wrapper_of(models[1], 'mmgreen.OptimWrapperConstructor', fused)
    assert len(many.optimizer.param_groups) > 50
    assert len(few.optimizer.param_groups) == 2
    assert {g['weight_decay'] for g in few.optimizer.param_groups} == {0.0, 0.05}
    assert few.get_lr()['lr'][0] == many.get_lr()['lr'][0]  # what is logged
    for model, wrapper in zip(models, (many, few), strict=True):
        train(model, wrapper, 3)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_checkpoint_of_one_group_for_each_parameter_goes_on(models):
    """As versions before 0.2 saved them."""
    many = wrapper_of(models[0], 'DefaultOptimWrapperConstructor')
    schedule = CosineAnnealingLR(many, T_max=10)
    train(models[0], many, 3, schedule)
    checkpoint = dict(
        optimizer=copy.deepcopy(many.state_dict()),
        param_schedulers=[copy.deepcopy(schedule.state_dict())],
    )
    models[1].load_state_dict(models[0].state_dict())
    few = wrapper_of(models[1], 'mmgreen.OptimWrapperConstructor')
    merge_checkpoint(checkpoint, len(few.optimizer.param_groups))
    few.load_state_dict(checkpoint['optimizer'])
    other = CosineAnnealingLR(few, T_max=10)
    other.load_state_dict(checkpoint['param_schedulers'][0])
    train(models[0], many, 3, schedule, seed=1)
    train(models[1], few, 3, other, seed=1)
    assert few.get_lr()['lr'][0] == many.get_lr()['lr'][0]
    for name, value in models[0].state_dict().items():
        torch.testing.assert_close(models[1].state_dict()[name], value, msg=name)
    kept = copy.deepcopy(few.state_dict())
    same = dict(optimizer=kept)
    merge_checkpoint(same, 2)
    assert same['optimizer'] is kept


def test_merging_keeps_the_order_of_the_first():
    groups = [dict(params=[i], lr=0.1 * (i % 2), param_name=str(i)) for i in range(5)]
    merged = optimizers.merge_groups(groups)
    assert merged == [dict(params=[0, 2, 4], lr=0.0), dict(params=[1, 3], lr=0.1)]
    assert groups[0]['params'] == [0]


def test_groups_are_said_in_one_line_and_not_by_parameter(models, logged):
    wrapper = wrapper_of(models[0], 'mmgreen.OptimWrapperConstructor')
    decayed, kept = (len(group['params']) for group in wrapper.optimizer.param_groups)
    said = {record.getMessage() for record in logged.records}
    (line,) = {line for line in said if 'weight_decay' in line}
    assert line.startswith(f'Parameters of the optimizer: {decayed} as set; {kept} with ')
    assert line.endswith('weight_decay=0')
