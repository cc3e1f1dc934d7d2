"""Steps of a run in which the host never waits for the device.

On a CPU, whose operators are watched: what would wait on a GPU is refused, and numbers are read
late, as there.
"""

import json
from contextlib import nullcontext

from fake_gpu import WAITS
from helpers import ROOT
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from mmgreen.config import load_config
from mmgreen.engine import build_runner, own_scope, prepare_run
from mmgreen.engine.hooks import readback

PRETRAIN = 'configs/quickstart/greenmim_swin-nano_demo.py'
INTERVAL = 3


class NoWaits(TorchDispatchMode):
    """Refuses to look at values."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix('aten::')
        assert name not in WAITS, f'{name} makes the host wait for the device'
        return func(*args, **(kwargs or {}))


def run(demo, work_dir, watched):
    """Train for eight steps; the losses and gradient norms that are logged."""
    cfg = load_config(
        str(ROOT / PRETRAIN),
        {
            'data_root': f'{demo}/',
            'model.backbone.arch.embed_dims': 16,
            'model.neck.embed_dim': 64,
            'train_dataloader.batch_size': 4,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_cfg.max_epochs': 1,
            'default_hooks.logger.interval': INTERVAL,
            'optim_wrapper.clip_grad': dict(max_norm=1.0),
            'custom_hooks': [],
            'randomness': dict(seed=0),
            'visualizer.vis_backends': [dict(type='LocalVisBackend')],
        },
        str(work_dir),
    )
    prepare_run(cfg, 'train')
    mode = NoWaits()
    with own_scope(cfg):
        runner = build_runner(cfg)
        loop = runner.train_loop
        step = loop.run_iter
        # The host draws masks and builds layouts from values of its own.
        layouts = runner.model.layouts
        layouts_for = layouts.layouts_for

        def by_the_host(images):
            build = layouts_for(images)

            def layout_of(step):
                with _disable_current_modes():
                    return build(step)

            return layout_of

        def run_iter(idx, batch):
            read = (idx + 1) % INTERVAL == 0 or idx + 1 == len(loop.dataloader)
            with mode if watched and not read else nullcontext():
                step(idx, batch)

        layouts.layouts_for, loop.run_iter = by_the_host, run_iter
        runner.train()
    (scalars,) = work_dir.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    return [(row['loss'], row['grad_norm']) for row in rows]


def test_no_step_waits_and_the_log_is_the_same(demo, tmp_path, monkeypatch):
    plain = run(demo, tmp_path / 'plain', watched=False)
    monkeypatch.setattr(readback, 'lag_behind', lambda device: readback.LAG)
    late = run(demo, tmp_path / 'late', watched=True)
    assert late == plain
    assert len(plain) == 2
