"""A batch size that is found by trying: what fits, of the same images a step."""

import pytest
import torch
from toy import ToyModel, said, toy_config

from mmgreen.apis import open_run, steps_in
from mmgreen.engine import find_batch_size, use_batch_size
from mmgreen.engine.runner import batch_size
from mmgreen.registry import MODELS


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that holds so many images; the sizes that were tried are noted."""
    tried = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'set_device', lambda device: None)
    for name in ('reset_peak_memory_stats', 'empty_cache'):
        monkeypatch.setattr(torch.cuda, name, lambda: None)
    monkeypatch.setattr(torch.cuda, 'memory_reserved', lambda: 0)
    monkeypatch.setattr(torch.cuda, 'mem_get_info', lambda: (100, 100))
    monkeypatch.setattr(torch.cuda, 'max_memory_reserved', lambda: 10 * tried[-1])

    def holds(images):
        def steps(cfg, number, batch_size):
            assert cfg.get('launcher') == 'none'
            tried.append(batch_size)
            if batch_size > images:
                raise torch.OutOfMemoryError

        monkeypatch.setattr(batch_size, 'try_steps', steps)
        return tried

    return holds


def auto(folder, **more):
    cfg = toy_config(folder, by_epoch=False, interval=10)
    cfg.train_dataloader.batch_size = 'auto'
    cfg.merge_from_dict(more)
    return cfg


@pytest.mark.parametrize(
    ('images', 'repeats', 'expected', 'sizes'),
    [
        (99, 1, (9, 2), [18, 9]),  # 18 would take more than all of the memory
        (7, 1, (6, 3), [18, 9, 6]),
        (2, 1, (2, 9), [18, 9, 6, 3, 2]),
        (4, 3, (3, 6), [18, 9, 6, 3]),
        (2, 2, (2, 9), [18, 6, 2]),
    ],
)
def test_smaller_parts_of_a_step_are_tried_until_they_fit(
    tmp_path, gpu, images, repeats, expected, sizes
):
    tried = gpu(images)
    more = {'auto_scale_lr.base_batch_size': 18, 'train_dataloader.repeats': repeats}
    assert find_batch_size(auto(tmp_path, **more)) == expected
    assert tried == sizes


def test_not_even_one_image_is_an_error(tmp_path, gpu):
    gpu(0)
    with pytest.raises(torch.OutOfMemoryError):
        find_batch_size(auto(tmp_path))


def test_what_is_counted_in_steps_is_counted_in_parts(tmp_path):
    cfg = auto(tmp_path, **{'auto_scale_lr.base_batch_size': 16})
    cfg.param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5)]
    steps = cfg.train_cfg.max_iters
    use_batch_size(cfg, 4, 4)
    assert cfg.train_dataloader.batch_size == 4
    assert cfg.optim_wrapper.accumulative_counts == 4
    assert cfg.train_cfg.max_iters == 4 * steps
    assert cfg.param_scheduler[0].end == 20
    assert cfg.auto_scale_lr.base_batch_size == 4
    # Of a run in epochs only the warm-up is in steps.
    cfg = toy_config(tmp_path, by_epoch=True, interval=1)
    warm_up = dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=5)
    cfg.param_scheduler = [warm_up, dict(type='MultiStepLR', by_epoch=True, milestones=[1])]
    use_batch_size(cfg, 1, 2)
    assert (cfg.param_scheduler[0].end, cfg.param_scheduler[1].milestones) == (10, [1])
    number = toy_config(tmp_path, by_epoch=False, interval=10)
    assert find_batch_size(number) is None


def test_a_run_without_a_gpu_has_the_whole_step(tmp_path, capfd):
    cfg = auto(tmp_path, **{'auto_scale_lr.base_batch_size': 3})
    cfg.log_level = 'INFO'
    open_run(cfg, 'train').train()
    assert 'steps of 3 images' in capfd.readouterr().out + said(tmp_path)


def test_minutes_and_the_run_have_one_batch(tmp_path, monkeypatch):
    cfg = auto(tmp_path, **{'auto_scale_lr.base_batch_size': 4})
    monkeypatch.setattr('mmgreen.apis.running.seconds_of_a_step', lambda trial: 1.5)
    assert steps_in(cfg, 1) == 40
    assert cfg.train_dataloader.batch_size == 4
    assert open_run(cfg, 'train').cfg.train_dataloader.batch_size == 4


@MODELS.register_module()
class Hungry(ToyModel):
    """Takes a gigabyte for each image, and a byte for all others."""

    def forward(self, inputs, data_samples=None, mode='loss'):
        each = torch.empty(len(inputs), 2**30, dtype=torch.uint8, device='cuda')
        return {'loss': super().forward(inputs)['loss'] + 0 * each[0, 0]}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpu_holds_what_was_found(tmp_path):
    cfg = auto(tmp_path, **{'auto_scale_lr.base_batch_size': 512, 'model.type': 'Hungry'})
    cfg.train_dataloader.dataset.size = 1024
    images, parts = find_batch_size(cfg)
    assert images * parts == 512
    free, _ = torch.cuda.mem_get_info()
    assert images <= free / 2**30 < 2 * images / 0.9
    open_run(cfg, 'train').train()
